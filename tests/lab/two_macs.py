"""Who answers for an egress IP, asked from the outside host every 5 ms: `two_macs.py SOCKET DEVICE ADDRESS…`

Every question (ARP request, neighbour solicitation) comes from one of 64 MACs of its own, so that each answer is known to belong to one question, and two
answers to one question are two holders, however late they come. Beside that every frame is looked at that announces an address or has it as source.

Questions (controlled.py): forget; report → JSON by address; owner ADDRESS → the MAC that holds it now; leaves ADDRESS → the MAC
by which the last packet with this source left; until ADDRESS MAC LIMIT-MS → yes, as soon as packets
with this source leave by this MAC alone (its announcement, and a packet after it).
  asked, answered, two   questions so far; those with an answer; those with answers of two MACs
  windows                answers within 50 ms after an answer of another MAC (a handover without a pause between has one)
  macs, owner, since     all that answered or announced; the last that was new, and from when on (CLOCK_MONOTONIC, s)
  returns                answers and announcements of an earlier owner after a newer one had answered or announced
  stale, stale_ms        packets that left by an earlier owner after that; how long after, at most
  silent_ms              the longest time without an answer
"""
import json
import socket
import struct
import sys
import time

from controlled import Loop, real_time

EVERY = 0.005
ASKERS = 64  # × EVERY: how long an answer may take and still be known


def asker(number):
    return bytes((0x02, 0x0A, 0, 0, 0, number))


def checksum(payload):
    total = sum(struct.unpack(f"!{len(payload) // 2}H", payload))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp_request(address, number):
    mac = asker(number)
    return b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + address[:3] + bytes((128 + number,)) + bytes(6) + address


def solicitation(address, number):
    mac = asker(number)
    source = bytes.fromhex("fe80000000000000020a00fffe0000") + bytes((number,))
    group = bytes.fromhex("ff0200000000000000000001ff") + address[13:]
    body = struct.pack("!BBHI", 135, 0, 0, 0) + address + b"\x01\x01" + mac
    total = checksum(source + group + struct.pack("!II", len(body), 58) + body)
    body = body[:2] + struct.pack("!H", total) + body[4:]
    return (b"\x33\x33\xff" + address[13:] + mac + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + group + body)


class Address:
    def __init__(self, text):
        self.six = ":" in text
        self.packed = socket.inet_pton(socket.AF_INET6 if self.six else socket.AF_INET, text)
        self.forget(time.monotonic())

    def forget(self, now):
        self.asked = self.answered = self.two = self.windows = self.returns = self.stale = 0
        self.by_question = [set() for _ in range(ASKERS)]
        self.last_answer = {}  # MAC → when
        self.owners = []       # in the order in which they were new
        self.owned_since = self.last_any = now
        self.silent = self.stale_for = 0.0
        self.leaves = None     # the MAC of the last packet with this source, since the owner is the owner

    def ask(self, number):
        self.asked += 1
        self.by_question[number] = set()
        return solicitation(self.packed, number) if self.six else arp_request(self.packed, number)

    def spoken(self, mac, now):
        if not self.owners or mac not in self.owners:
            self.owners.append(mac)
            self.owned_since, self.leaves = now, None
        elif mac != self.owners[-1]:
            self.returns += 1

    def answer(self, mac, number, now):
        answers = self.by_question[number]
        if mac not in answers:
            answers.add(mac)
            self.answered += len(answers) == 1
            self.two += len(answers) == 2
        self.windows += any(other != mac and now - when <= 0.05 for other, when in self.last_answer.items())
        self.last_answer[mac] = now
        self.silent, self.last_any = max(self.silent, now - self.last_any), now
        self.spoken(mac, now)

    def packet(self, mac, now):
        self.leaves = mac
        if self.owners and mac != self.owners[-1] and mac in self.owners:
            self.stale += 1
            self.stale_for = max(self.stale_for, now - self.owned_since)

    def report(self, now):
        return {"asked": self.asked, "answered": self.answered, "two": self.two, "windows": self.windows, "macs": [m.hex(":") for m in self.owners],
                "owner": self.owners[-1].hex(":") if self.owners else "", "since": self.owned_since, "returns": self.returns, "stale": self.stale,
                "stale_ms": round(self.stale_for * 1000, 1), "silent_ms": round(max(self.silent, now - self.last_any) * 1000, 1)}


class Watch:
    def __init__(self, path, device, *addresses):
        real_time()
        self.addresses = {text: Address(text) for text in addresses}
        self.by_packed = {a.packed: a for a in self.addresses.values()}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((device, 0))
        self.socket.setblocking(False)
        self.number, self.due, self.waiting = 0, time.monotonic(), []
        self.loop = Loop(path, self.tick, self.answer)
        self.loop.watch(self.socket, self.receive)
        self.loop.run()

    def tick(self, now):
        if now >= self.due:
            for address in self.addresses.values():
                self.socket.send(address.ask(self.number))
            self.number = (self.number + 1) % ASKERS
            self.due = max(self.due + EVERY, now)
        self.waiting = [w for w in self.waiting if not self.fulfilled(now, *w)]
        return self.due

    def receive(self, s):
        for _ in range(1000):
            try:
                frame, where = s.recvfrom(2048)
            except BlockingIOError:
                return
            if where[2] != 4:  # PACKET_OUTGOING
                self.frame(frame, time.monotonic())

    def frame(self, frame, now):
        mac, kind = frame[6:12], frame[12:14]
        if kind == b"\x08\x00":
            address = self.by_packed.get(frame[26:30])
            if address:
                address.packet(mac, now)
        elif kind == b"\x08\x06":
            address = self.by_packed.get(frame[28:32])
            if not address:
                return
            if frame[21] == 2 and frame[32:37] == asker(0)[:5]:
                address.answer(frame[22:28], frame[37] % ASKERS, now)
            else:
                address.spoken(frame[22:28], now)  # announced, or it asks for somebody with this address as its own
        elif kind == b"\x86\xdd":
            if frame[20] == 58 and len(frame) >= 78 and frame[54] == 136:
                address = self.by_packed.get(frame[62:78])
                if address and frame[:5] == asker(0)[:5]:
                    address.answer(mac, frame[5] % ASKERS, now)
                elif address:
                    address.spoken(mac, now)
            elif address := self.by_packed.get(frame[22:38]):
                address.packet(mac, now)

    def fulfilled(self, now, address, mac, until, reply):
        owned = address.owners and address.owners[-1] == mac
        if owned and address.leaves == mac:
            reply("yes")
        elif now >= until:
            reply("no")
        else:
            return False
        return True

    def answer(self, words, reply):
        now = time.monotonic()
        if words[0] == "forget":
            for address in self.addresses.values():
                address.forget(now)
            reply("forgotten")
        elif words[0] == "report":
            reply(json.dumps({text: address.report(now) for text, address in self.addresses.items()}))
        elif words[0] == "owner":
            owners = self.addresses[words[1]].owners
            reply(owners[-1].hex(":") if owners else "")
        elif words[0] == "leaves":
            leaves = self.addresses[words[1]].leaves
            reply(leaves.hex(":") if leaves else "")
        elif words[0] == "until":
            self.waiting.append((self.addresses[words[1]], bytes.fromhex(words[2].replace(":", "")), now + float(words[3]) / 1000, reply))
        else:
            reply("no such question")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    Watch(*sys.argv[1:])
