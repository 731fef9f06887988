"""The eyes and hands of the lab tests; needs nothing but Debian's python3.

serve SOCKET DEVICE…          the outside host: answers TCP and UDP on port 9000 and counts, from the very first packet, what arrives (AF_PACKET)
ask SOCKET QUESTION …         a question to that host: forget | sources PROTO SERVER | count PROTO SOURCE SERVER | longest PROTO SERVER | devices PROTO SERVER
                              | owners ADDRESS | all
talk tcp|udp|icmp SERVER      one exchange; prints the source address that the server saw (icmp: "answered")
stream SERVER SECONDS RATE [PORT]    numbered UDP packets from this port, each echoed; prints JSON: sent, received, lost, foreign, gap_ms
bulk down|up SERVER BYTES     a TCP transfer; prints the bytes that arrived
large SERVER BYTES            one UDP datagram each way; prints the bytes that came back. IPv6: up to three, because routers do not fragment
                              (RFC 8200 section 5): the first ones teach both ends the path's MTU
vxlan TO PORT VNI ID SOURCE DESTINATION MAC    one VXLAN+GBP frame around a UDP packet
capture DEVICE PORT COUNT FILE                 UDP datagrams that arrive for this port, as they are on the wire
inject FILE KIND [FROM]       sends captured datagrams again: replay | flip | truncate | garbage
plain DEVICE                  no segmentation offload: what is on the wire is what a real card would send
json EXPRESSION               a Python expression over the JSON document on standard input, which is called d
"""
import errno
import ipaddress
import json
import os
import selectors
import signal
import socket
import struct
import sys
import threading
import time

PORT = 9000
SERVERS = ["198.51.100.7", "198.51.100.8", "2001:db8:ff::7", "2001:db8:ff::8", "203.0.113.254", "2001:db8:1::fe"]
PROTO = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# ---- the outside host ----
class Watch:
    """Counts packets by (protocol, source, destination); ARP and neighbour advertisements by (owner, MAC)."""

    def __init__(self, devices):
        self.lock = threading.Lock()
        self.sockets = []
        self.arrived, self.handled = [0] * len(devices), [0] * len(devices)
        self.servers = {ipaddress.ip_address(a).packed: a for a in SERVERS}
        self.forget()
        for device in devices:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            s.bind((device, 0))
            s.settimeout(0.2)
            self.sockets.append(s)
        for number, device in enumerate(devices):
            threading.Thread(target=self.run, args=(number, device), daemon=True).start()

    def forget(self):
        with self.lock:
            self.count, self.length, self.device, self.owner, self.dropped = {}, {}, {}, {}, 0

    def run(self, number, device):
        while True:
            try:
                frame, where = self.sockets[number].recvfrom(65536)
            except socket.timeout:
                continue
            kind = frame[12:14]
            if where[2] == 4 or where[2] == 3 and kind == b"\x08\x00":  # PACKET_OUTGOING; PACKET_OTHERHOST: flooded by the switch
                pass
            elif kind == b"\x08\x00":
                self.ipv4(frame, device)
            elif kind == b"\x86\xdd":
                self.ipv6(frame, device)
            elif kind == b"\x08\x06" and len(frame) >= 42:
                self.own(socket.inet_ntop(socket.AF_INET, frame[28:32]), frame[22:28])
            self.handled[number] += 1

    def own(self, address, mac):
        with self.lock:
            self.owner.setdefault(address, {}).setdefault(mac.hex(":"), 0)
            self.owner[address][mac.hex(":")] += 1

    def ipv4(self, frame, device):
        destination = frame[30:34]
        if destination not in self.servers:
            return
        fragment = struct.unpack("!H", frame[20:22])[0] & 0x3FFF
        length = struct.unpack("!H", frame[16:18])[0]
        source = socket.inet_ntop(socket.AF_INET, frame[26:30])
        if fragment:
            self.add("fragment", source, self.servers[destination], length, device)
        if not fragment & 0x1FFF:
            self.add(PROTO.get(frame[23], str(frame[23])), source, self.servers[destination], length, device)

    def ipv6(self, frame, device):
        destination = frame[38:54]
        proto = frame[20]
        if proto == 58 and len(frame) >= 78 and frame[54] == 136:
            self.own(socket.inet_ntop(socket.AF_INET6, frame[62:78]), frame[6:12])
        if destination not in self.servers or (proto == 58 and frame[54] in (133, 134, 135, 136)):
            return
        source = socket.inet_ntop(socket.AF_INET6, frame[22:38])
        length = struct.unpack("!H", frame[18:20])[0] + 40
        if proto == 44:
            self.add("fragment", source, self.servers[destination], length, device)
            if struct.unpack("!H", frame[56:58])[0] & 0xFFF8:
                return
            proto = frame[54]
        self.add(PROTO.get(proto, str(proto)), source, self.servers[destination], length, device)

    def add(self, proto, source, destination, length, device):
        key = (proto, source, destination)
        with self.lock:
            self.count[key] = self.count.get(key, 0) + 1
            self.length[key] = max(self.length.get(key, 0), length)
            self.device.setdefault((proto, destination), set()).add(device)

    def settle(self):
        """Until everything that has arrived up to now is counted."""
        for number, s in enumerate(self.sockets):
            arrived, dropped = struct.unpack("II", s.getsockopt(263, 6, 8))  # SOL_PACKET, PACKET_STATISTICS: since the last question
            self.arrived[number] += arrived - dropped
            self.dropped += dropped
            until = time.monotonic() + 10
            while self.handled[number] < self.arrived[number] and time.monotonic() < until:
                time.sleep(0.002)

    def answer(self, question):
        verb, *rest = question
        if verb == "forget":
            self.settle()
            self.forget()
            return ""
        self.settle()
        if self.dropped:
            return f"the watcher lost {self.dropped} packets"
        with self.lock:
            if verb == "sources":
                return " ".join(sorted(s for p, s, d in self.count if (p, d) == tuple(rest)))
            if verb == "count":
                return str(self.count.get(tuple(rest), 0))
            if verb == "longest":
                return str(max((n for (p, s, d), n in self.length.items() if (p, d) == tuple(rest)), default=0))
            if verb == "devices":
                return " ".join(sorted(self.device.get(tuple(rest), ())))
            if verb == "owners":
                return " ".join(sorted(self.owner.get(rest[0], {})))
            if verb == "all":
                return "\n".join(f"{n} {' '.join(k)}" for k, n in sorted(self.count.items()))
        return "no such question"


def conversation(connection, peer):
    """TCP: '?' asks for the source address, 'D<bytes>' downloads, 'U' uploads until the end."""
    with connection:
        connection.settimeout(60)
        first = connection.recv(64)
        if first.startswith(b"?"):
            connection.sendall(plain_address(peer[0]).encode())
        elif first.startswith(b"D"):
            left = int(first[1:].decode())
            while left > 0:
                left -= connection.send(b"x" * min(left, 65536))
        elif first.startswith(b"U"):
            total = len(first) - 1
            while chunk := connection.recv(65536):
                total += len(chunk)
            connection.sendall(str(total).encode())


def plain_address(address):
    return address[7:] if address.startswith("::ffff:") else address


def accept_all(s):
    while True:
        connection, peer = s.accept()
        threading.Thread(target=conversation, args=(connection, peer), daemon=True).start()


def serve(path, *devices):
    # The packets of one connection keep the scheduler busy; what counts is that the watch keeps up.
    sys.setswitchinterval(0.001)
    watch = Watch(devices)
    tcp = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    threading.Thread(target=accept_all, args=(tcp,), daemon=True).start()
    selector = selectors.DefaultSelector()
    for address in SERVERS:
        try:
            s = socket.socket(family(address), socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
            s.bind((address, PORT))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            continue
        selector.register(s, selectors.EVENT_READ)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.bind(path + ".new")
    control.listen(64)
    os.rename(path + ".new", path)

    def controlled():
        while True:
            connection, _ = control.accept()
            with connection:
                connection.sendall(watch.answer(json.loads(connection.recv(65536))).encode())

    threading.Thread(target=controlled, daemon=True).start()
    while True:
        for key, _ in selector.select():
            try:
                payload, peer = key.fileobj.recvfrom(65536)
                key.fileobj.sendto(peer[0].encode() if payload.startswith(b"?") else payload, peer)
            except OSError:
                pass  # an ICMP error that an earlier answer caused


def ask(path, *question):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(30)
    s.connect(path)
    s.sendall(json.dumps(question).encode())
    answer = b""
    while chunk := s.recv(65536):
        answer += chunk
    print(answer.decode())


# ---- clients ----
def talk(proto, server, seconds="2"):
    limit = float(seconds)
    if proto == "tcp":
        with socket.create_connection((server, PORT), timeout=limit) as s:
            s.sendall(b"?")
            print(s.recv(100).decode())
    elif proto == "udp":
        s = socket.socket(family(server), socket.SOCK_DGRAM)
        s.settimeout(limit)
        s.connect((server, PORT))
        s.send(b"?")
        print(s.recv(100).decode())
    else:
        six = family(server) == socket.AF_INET6
        s = socket.socket(family(server), socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        s.settimeout(limit)
        s.connect((server, 0))
        header = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, 1)
        body = b"egress-lab"
        s.send(struct.pack("!BBHHH", *struct.unpack("!BBHHH", header)[:2], 0 if six else checksum(header + body), 0, 1) + body)
        s.recv(1500)
        print("answered")


def checksum(payload):
    if len(payload) % 2:
        payload += b"\0"
    total = sum(struct.unpack(f"!{len(payload) // 2}H", payload))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def stream(server, seconds, rate, port="0"):
    rate = float(rate)
    mine = os.urandom(8)  # an echo of somebody else's packet is told apart
    foreign = 0
    s = socket.socket(family(server), socket.SOCK_DGRAM)
    s.bind(("", int(port)))
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
    s.connect((server, PORT))
    s.setblocking(False)
    total = int(float(seconds) * rate)
    seen = bytearray(total)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    began = last = time.monotonic()
    gap = 0.0
    refused = 0
    sent = 0

    def drain():
        nonlocal last, gap, foreign
        while True:
            try:
                number, whose = struct.unpack("!I8s", s.recv(100)[:12])
            except BlockingIOError:
                return
            except OSError:
                continue
            if whose != mine:
                foreign += 1
                continue
            now = time.monotonic()
            gap, last = max(gap, now - last), now
            seen[number] = 1

    while sent < total and not ended:
        while sent < total and time.monotonic() >= began + sent / rate:
            try:
                s.send(struct.pack("!I8s", sent, mine) + b"s" * 52)
            except OSError:
                refused += 1
            sent += 1
        drain()
        time.sleep(max(0.0002, began + sent / rate - time.monotonic()))
    until = time.monotonic() + 1
    while time.monotonic() < until:
        drain()
        time.sleep(0.01)
    received = sum(seen[:sent])
    missing = [i for i in range(sent) if not seen[i]]
    print(json.dumps({"sent": sent, "received": received, "lost": sent - received, "refused": refused, "foreign": foreign, "gap_ms": round(gap * 1000),
                      "first_lost": missing[:1], "last_lost": missing[-1:]}))


def bulk(direction, server, amount):
    amount = int(amount)
    with socket.create_connection((server, PORT), timeout=60) as s:
        if direction == "down":
            s.sendall(b"D%d" % amount)
            got = 0
            while chunk := s.recv(65536):
                got += len(chunk)
            print(got)
        else:
            s.sendall(b"U" + b"x" * amount)
            s.shutdown(socket.SHUT_WR)
            print(s.recv(100).decode())


def large(server, size):
    s = socket.socket(family(server), socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect((server, PORT))
    payload = bytes(i % 251 for i in range(int(size)))
    payload = b"L" + payload[1:]
    answer = b""
    for last in (False, False, True) if s.family == socket.AF_INET6 else (True,):
        s.send(payload)
        try:
            answer = s.recv(65536)
            break
        except OSError:
            if last:
                raise
    if answer != payload:
        sys.exit("the content is not what was sent")
    print(len(answer))


# ---- packets that nobody should send ----
def ipv4_udp(source, destination, sport, dport, payload):
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def vxlan(to, port, vni, egress_id, source, destination, mac):
    inner = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("ee67c6130063") + b"\x08\x00" + ipv4_udp(source, destination, 40000, PORT, b"stranger")
    header = struct.pack("!BBHI", 0x88, 0, int(egress_id), int(vni) << 8)  # RFC 7348 with draft-smith-vxlan-group-policy
    s = socket.socket(family(to), socket.SOCK_DGRAM)
    s.sendto(header + inner, (to, int(port)))


def capture(device, port, count, path):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((device, 0))
    s.settimeout(20)
    found = []
    while len(found) < int(count):
        frame, where = s.recvfrom(65536)
        if where[2] == 4 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        start = 14 + (frame[14] & 15) * 4
        sport, dport, length, _ = struct.unpack("!HHHH", frame[start:start + 8])
        if dport == int(port):
            found.append({"source": socket.inet_ntoa(frame[26:30]), "destination": socket.inet_ntoa(frame[30:34]), "sport": sport, "dport": dport,
                          "payload": frame[start + 8:start + length].hex()})
    with open(path, "w") as out:
        json.dump(found, out)
    print(len(found))


def inject(path, kind, claimed=None):
    """From this host, with the source address of the one who sent it first (or another that is claimed)."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sent = 0
    with open(path) as file:
        for number, d in enumerate(json.load(file)):
            payload = bytes.fromhex(d["payload"])
            if kind == "flip":
                variants = [payload[:i] + bytes([payload[i] ^ (1 << number % 8)]) + payload[i + 1:] for i in {0, 1, 5, len(payload) // 2, len(payload) - 1}]
            elif kind == "truncate":
                variants = [payload[:n] for n in {0, 1, 3, 8, 24, 40, len(payload) // 2, len(payload) - 1} if n < len(payload)]
            elif kind == "garbage":
                variants = [os.urandom(n) for n in (1, 60, 400, 1400)]
            else:
                variants = [payload]
            for variant in variants:
                raw.sendto(ipv4_udp(claimed or d["source"], d["destination"], d["sport"], d["dport"], variant), (d["destination"], 0))
                sent += 1
                time.sleep(0.002)
    print(sent)


def plain(device):
    import array
    import fcntl
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for command in (0x1F, 0x24, 0x2C):  # ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO
        value = array.array("B", struct.pack("II", command, 0))
        fcntl.ioctl(s, 0x8946, struct.pack("16sP", device.encode(), value.buffer_info()[0]))  # SIOCETHTOOL


def expression(text):
    value = eval(text, globals() | {"d": json.load(sys.stdin)})
    print(value if isinstance(value, str) else json.dumps(value))


VERBS = {f.__name__: f for f in (serve, ask, talk, stream, bulk, large, vxlan, capture, inject, plain)} | {"json": expression}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
        sys.exit(__doc__)
    try:
        VERBS[sys.argv[1]](*sys.argv[2:])
    except (OSError, socket.timeout) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
