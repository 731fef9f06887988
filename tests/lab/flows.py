"""Thousands of connections that are watched while a gateway dies: does each of them go on, in its own direction?

serve SOCKET ADDRESS PORT                                   the server: TCP and UDP
open SOCKET SERVER-SOCKET SERVER PORT TCP UDP FIRST-PORT    a client with TCP connections and UDP flows from the source ports FIRST-PORT and up

TCP connections are in turn `driven` (the client sends, the server answers), `pushed` (the server sends to a silent client) and `idle` (nothing until the
verdict; then the first to speak is the client for one half of them and the server for the other). UDP flows are in turn driven and pushed.

Questions to a client (controlled.py): opened → "TCP UDP" so many; mark: what is sent from now on counts; struck: the same,
for survival alone (the delays count from the mark on); verdict SECONDS → JSON, as soon as every
connection has carried a record that was sent after the mark, or after so many seconds; close: all of them, with RST.
A connection survives if it did. reset: the peer or a gateway reset it; silent: nothing came in time; moved: the server saw the flow come from another
address or port. delay_ms: from sending to arrival, the worst record of each connection since the mark.
"""
import errno
import ipaddress
import json
import selectors
import socket
import struct
import sys
import time
from collections import deque

from controlled import Loop, ask

RECORD = struct.Struct("!d4sI")  # when it was sent, what it is, the number of the connection
PEER = struct.Struct("!16sH")    # in answers to UDP: whom the server sees
TCP_EVERY, UDP_EVERY = 1.0, 0.2  # seconds between two records of a connection that carries data
AT_ONCE = 200                    # connections that are being opened at the same time
KINDS = ("driven", "pushed", "idle")


class Turns:
    """Members that have their turn every so many seconds, spread evenly by when they joined."""

    def __init__(self, every):
        self.every, self.queue = every, deque()

    def join(self, member, now):
        self.queue.append((now + self.every, member))

    def due(self, now):
        while self.queue and self.queue[0][0] <= now:
            when, member = self.queue.popleft()
            if member.alive:
                self.queue.append((max(when, now - self.every) + self.every, member))
                yield member


class Stream:
    """A TCP connection of either side: whole records in, whole records out."""

    def __init__(self, s, number=0, kind=""):
        self.socket, self.number, self.kind = s, number, kind
        self.alive, self.rest, self.unsent = True, b"", b""
        self.end = ""             # why it is not alive
        self.proof = self.delay = 0.0

    def send(self, word, stamp):
        self.unsent += RECORD.pack(stamp, word, self.number)
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):]
        except BlockingIOError:
            pass  # with the next record
        except OSError as error:
            self.fail(error)

    def records(self):
        try:
            chunk = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            return self.fail(error)
        if not chunk:
            return self.fail(None)
        self.rest += chunk
        whole = len(self.rest) // RECORD.size * RECORD.size
        yield from RECORD.iter_unpack(self.rest[:whole])
        self.rest = self.rest[whole:]

    def fail(self, error):
        if self.alive:
            self.alive = False
            self.end = "closed" if error is None else "reset" if error.errno in (errno.ECONNRESET, errno.EPIPE) else errno.errorcode[error.errno]


def tcp_socket(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setblocking(False)
    return s


def udp_socket(address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    s.bind((address, port))
    s.setblocking(False)
    return s


# ---- the server ----
class Told:
    """A UDP flow that the server pushes data into."""

    def __init__(self, peer, number):
        self.peer, self.number, self.alive = peer, number, True


class Server:
    def __init__(self, path, address, port):
        self.loop = Loop(path, self.tick, self.answer, many=True)
        self.tcp = tcp_socket(address)
        self.tcp.bind((address, int(port)))
        self.tcp.listen(4096)
        self.udp = udp_socket(address, int(port))
        self.pushed, self.told = Turns(TCP_EVERY), Turns(UDP_EVERY)
        self.peers, self.idle, self.connections, self.ended = {}, [], set(), {}
        self.loop.watch(self.tcp, self.accept)
        self.loop.watch(self.udp, self.datagram)
        self.loop.run()

    def tick(self, now):
        for stream in self.pushed.due(now):
            stream.send(b"push", now)
            self.reap(stream)
        for flow in self.told.due(now):
            self.send_to(flow.peer, RECORD.pack(now, b"push", flow.number))
        return now + 0.01

    def accept(self, _):
        for _ in range(AT_ONCE):
            try:
                s, _ = self.tcp.accept()
            except OSError:
                return
            s.setblocking(False)
            stream = Stream(s)
            self.connections.add(stream)
            self.loop.watch(s, lambda _, stream=stream: self.readable(stream))

    def readable(self, stream):
        for stamp, word, number in stream.records():
            stream.number = number
            if word == b"driv":
                stream.send(b"echo", stamp)
            elif word == b"push":
                self.pushed.join(stream, time.monotonic())
            elif word == b"idle":
                self.idle.append(stream)
        self.reap(stream)

    def reap(self, stream):
        if not stream.alive and stream in self.connections:
            self.connections.discard(stream)
            self.ended[stream.end] = self.ended.get(stream.end, 0) + 1
            self.loop.ignore(stream.socket)
            stream.socket.close()

    def datagram(self, s):
        while True:
            try:
                payload, peer = s.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError:
                continue
            stamp, word, number = RECORD.unpack_from(payload)
            self.send_to(peer, RECORD.pack(stamp, b"echo", number))
            if word == b"push" and peer not in self.peers:
                self.peers[peer] = Told(peer, number)
                self.told.join(self.peers[peer], time.monotonic())
            elif word == b"stop" and peer in self.peers:
                self.peers.pop(peer).alive = False

    def send_to(self, peer, record):
        try:
            self.udp.sendto(record + PEER.pack(ipaddress.ip_address(peer[0]).packed.ljust(16, b"\0"), peer[1]), peer)
        except OSError:
            pass  # an ICMP error that an earlier packet caused

    def answer(self, words, reply):
        if words[0] == "wake":  # the idle connections in which the server speaks first
            self.idle = [stream for stream in self.idle if stream.alive]
            for stream in self.idle:
                if stream.number % 2:
                    stream.send(b"wake", time.monotonic())
            reply(len(self.idle))
        elif words[0] == "state":
            reply(json.dumps({"connections": len(self.connections), "ended": self.ended}))
        else:
            reply("no such question")


# ---- a client ----
class Flow:
    """A UDP flow of the client."""

    def __init__(self, s, number, kind):
        self.socket, self.number, self.kind = s, number, kind
        self.alive, self.end, self.proof, self.delay = True, "", 0.0, 0.0
        self.seen_as = None

    def send(self, word, stamp):
        try:
            self.socket.send(RECORD.pack(stamp, word, self.number))
        except OSError:
            pass  # an ICMP error, or no route for a moment: what counts is what arrives


class Client:
    def __init__(self, path, server_path, server, port, tcp, udp, first_port):
        self.server_path, self.server = server_path, (server, int(port))
        self.first_port, self.measured, self.marked, self.waiting = int(first_port), None, None, None
        self.wanted = deque((number, KINDS[number % 3]) for number in range(int(tcp)))
        self.connecting, self.streams, self.flows = set(), [], []
        self.driven, self.datagrams = Turns(TCP_EVERY), Turns(UDP_EVERY)
        self.loop = Loop(path, self.tick, self.answer, many=True)
        for number in range(int(udp)):
            flow = Flow(udp_socket("", self.first_port + number) if "." in server else udp_socket("::", self.first_port + number), number, KINDS[number % 2])
            flow.socket.connect(self.server)
            self.flows.append(flow)
            self.loop.watch(flow.socket, lambda _, flow=flow: self.datagram(flow))
            self.datagrams.join(flow, time.monotonic())
        self.loop.run()

    def tick(self, now):
        while self.wanted and len(self.connecting) < AT_ONCE:
            self.connect(*self.wanted.popleft())
        for stream in self.driven.due(now):
            stream.send(b"driv", now)
        for flow in self.datagrams.due(now):
            # A pushed flow speaks until the server has answered once, and is silent from then on.
            if flow.kind == "driven" or not flow.seen_as:
                flow.send(b"driv" if flow.kind == "driven" else b"push", now)
        if self.waiting and (now >= self.waiting[0] or self.settled()):
            self.waiting[1](self.verdict())
            self.waiting = None
        return now + 0.01

    def connect(self, number, kind):
        s = tcp_socket(self.server[0])
        s.bind(("::" if s.family == socket.AF_INET6 else "", self.first_port + number))
        s.connect_ex(self.server)
        stream = Stream(s, number, kind)
        self.connecting.add(stream)
        self.loop.watch(s, lambda _, stream=stream: self.connected(stream), selectors.EVENT_WRITE)

    def connected(self, stream):
        self.connecting.discard(stream)
        error = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:  # again, later
            self.loop.ignore(stream.socket)
            stream.socket.close()
            self.wanted.append((stream.number, stream.kind))
            return
        self.streams.append(stream)
        self.loop.change(stream.socket, lambda _, stream=stream: self.readable(stream))
        now = time.monotonic()
        stream.send({"driven": b"driv", "pushed": b"push", "idle": b"idle"}[stream.kind], now)
        if stream.kind == "driven":
            self.driven.join(stream, now)

    def readable(self, stream):
        for stamp, _, _ in stream.records():
            self.arrived(stream, stamp)
        if not stream.alive:
            self.loop.ignore(stream.socket)
            stream.socket.close()

    def datagram(self, flow):
        while True:
            try:
                payload = flow.socket.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                continue
            stamp, word, _ = RECORD.unpack_from(payload)
            seen_as = PEER.unpack_from(payload, RECORD.size)
            if flow.seen_as and seen_as != flow.seen_as:
                flow.end = "moved"
            flow.seen_as = flow.seen_as or seen_as
            # The echo of the registration is no proof that the server's own packets arrive.
            if not flow.end and (flow.kind == "driven" or word == b"push"):
                self.arrived(flow, stamp)

    def arrived(self, connection, stamp):
        if self.measured is not None and stamp >= self.measured:
            connection.delay = max(connection.delay, time.monotonic() - stamp)
            connection.proof = stamp if stamp >= self.marked else connection.proof

    def everything(self):
        return self.streams + self.flows

    def settled(self):
        return all(c.proof or not c.alive or c.end for c in self.everything())

    def verdict(self):
        def fate(connection):
            return connection.end or ("alive" if connection.proof else "silent")

        count = {}
        for name, connections in (("tcp", self.streams), ("udp", self.flows)):
            for connection in connections:
                by = count.setdefault(name, {}).setdefault(connection.kind, {})
                by[fate(connection)] = by.get(fate(connection), 0) + 1
        delays = sorted(c.delay * 1000 for c in self.everything() if fate(c) == "alive" and c.kind != "idle") or [0]

        def total(name, wanted):
            return sum(by.get(wanted, 0) for by in count.get(name, {}).values())

        return json.dumps({
            "tcp": len(self.streams), "tcp_alive": total("tcp", "alive"), "reset": total("tcp", "reset"), "silent": total("tcp", "silent"),
            "udp": len(self.flows), "udp_alive": total("udp", "alive"), "moved": total("udp", "moved"), "by_kind": count,
            "delay_ms": {"median": round(delays[len(delays) // 2]), "p99": round(delays[len(delays) * 99 // 100]), "max": round(delays[-1])}})

    def answer(self, words, reply):
        now = time.monotonic()
        if words[0] == "opened":
            reply(f"{len(self.streams)} {sum(flow.seen_as is not None for flow in self.flows)}")
        elif words[0] == "mark":
            self.marked = self.measured = now
            for connection in self.everything():
                connection.proof = connection.delay = 0.0
            reply("marked")
        elif words[0] == "struck":
            self.marked = now
            for connection in self.everything():
                connection.proof = 0.0
            reply("struck")
        elif words[0] == "verdict":
            ask(self.server_path, "wake")
            for stream in self.streams:
                if stream.kind == "idle" and stream.number % 2 == 0 and stream.alive:
                    stream.send(b"driv", now)
            self.waiting = (now + float(words[1]), reply)
        elif words[0] == "close":
            self.close()
            reply("closed")
        else:
            reply("no such question")

    def close(self):
        for stream in self.streams:
            if stream.alive:
                stream.alive = False
                self.loop.ignore(stream.socket)
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST: no TIME_WAIT holds the port
                stream.socket.close()
        for flow in self.flows:
            flow.alive = False
            flow.send(b"stop", 0)
            self.loop.ignore(flow.socket)
            flow.socket.close()
        self.streams, self.flows = [], []


if __name__ == "__main__":
    verbs = {"serve": Server, "open": Client}
    if len(sys.argv) < 5 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](*sys.argv[2:])
