"""UDP streams that tell an outage from a loss, each end with a socket to ask (controlled.py).

echo ADDRESS PORT                     sends every datagram back
pulse SOCKET SERVER PORT RATE         numbered datagrams to an echo. begin | state | end | steady MS LIMIT-MS | answers LIMIT-MS
far SOCKET ADDRESS PORT RATE          answers the first datagram with a stream of its own, which the near end does not ask for again
near SOCKET SERVER PORT RATE          the other end: RATE packets/s in each direction, counted separately. state | end

state and end are JSON. pulse: gap_ms is the largest time between two answers (or since the last one), stall_ms the largest between two of its own
sendings: what is not larger than that says nothing about the network. near, far: sent, received (distinct), late_ms, peers (source addresses seen).
"""
import json
import os
import select
import socket
import struct
import sys
import time

from controlled import Loop, real_time

HEAD = struct.Struct("!8sI")
SIZE = 64


def udp(address, port=0):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    s.setsockopt(socket.SOL_SOCKET, 32, 16 << 20)  # SO_SNDBUFFORCE
    if port:
        s.bind((address, port))
    s.setblocking(False)
    return s


def datagrams(s):
    while True:
        try:
            yield s.recvfrom(2048)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error that an earlier packet caused


def echo(address, port):
    real_time()
    s = udp(address, int(port))
    while True:
        select.select([s], [], [])
        for payload, peer in datagrams(s):
            try:
                s.sendto(payload, peer)
            except OSError:
                pass


class Pulse:
    def __init__(self, path, server, port, rate):
        real_time()
        self.socket = udp(server)
        self.socket.connect((server, int(port)))
        self.every = 1 / float(rate)
        self.mine = os.urandom(8)
        self.running = False
        self.waiting = []  # (what is awaited, until when, how to answer)
        self.number = 0
        self.begin(time.monotonic())
        self.running = False
        self.loop = Loop(path, self.tick, self.answer)
        self.loop.watch(self.socket, self.receive)
        self.loop.run()

    def begin(self, now):
        self.running, self.first, self.due = True, self.number, now
        self.last = self.last_sent = self.steady_since = now
        self.gap = self.stall = 0.0
        self.received = self.refused = 0

    def tick(self, now):
        self.waiting = [w for w in self.waiting if not self.fulfilled(now, *w)]
        if not self.running:
            return now + 0.05
        if now >= self.due:
            self.stall = max(self.stall, now - self.last_sent)
            self.last_sent = now
            try:
                self.socket.send(HEAD.pack(self.mine, self.number) + bytes(SIZE))
            except OSError:
                self.refused += 1
            self.number += 1
            self.due = max(self.due + self.every, now - 10 * self.every)
        return self.due

    def receive(self, s):
        for payload, _ in datagrams(s):
            mine, number = HEAD.unpack_from(payload)
            if mine != self.mine or number < self.first or not self.running:
                continue
            now = time.monotonic()
            if now - self.last > 0.02:
                self.steady_since = now
            self.gap, self.last = max(self.gap, now - self.last), now
            self.received += 1

    def fulfilled(self, now, what, until, reply):
        if now - self.last < 0.02 and now - self.steady_since >= what:
            reply("yes")
        elif now >= until:
            reply("no")
        else:
            return False
        return True

    def state(self):
        now = time.monotonic()
        gap = max(self.gap, now - self.last) if self.running else self.gap
        return json.dumps({"gap_ms": round(gap * 1000, 1), "stall_ms": round(self.stall * 1000, 1), "sent": self.number - self.first,
                           "received": self.received, "refused": self.refused})

    def answer(self, words, reply):
        now = time.monotonic()
        if words[0] == "begin":
            reply(self.begin(now) or "begun")
        elif words[0] == "state":
            reply(self.state())
        elif words[0] == "end":
            reply(self.state())
            self.running = False
        elif words[0] == "steady":  # answers have come without a gap for so long, up to now
            self.waiting.append((float(words[1]) / 1000, now + float(words[2]) / 1000, reply))
        else:
            reply("no such question")


class End:
    """One end of two streams: sends numbered packets at a rate, counts the distinct ones of the other end."""

    def __init__(self, path, address, port, rate, far):
        real_time()
        self.socket = udp(address, int(port) if far else 0)
        self.peer = None if far else (address, int(port))
        self.every = 1 / float(rate)
        self.sending = not far
        self.seen, self.highest, self.peers = bytearray(1 << 22), -1, set()
        self.sent = self.refused = 0
        self.received = 0
        self.late = self.gap = self.seconds = 0.0
        self.began = self.due = self.last = time.monotonic()
        self.loop = Loop(path, self.tick, self.answer)
        self.loop.watch(self.socket, self.receive)
        self.loop.run()

    def tick(self, now):
        if not self.sending:
            return now + 0.05
        while now >= self.due:
            self.late = max(self.late, now - self.due)
            try:
                self.socket.sendto(HEAD.pack(b"distinct", self.sent) + bytes(SIZE), self.peer)
            except OSError:
                self.refused += 1  # counts as lost: it has a number
            self.sent += 1
            self.due += self.every
            now = time.monotonic()
        return self.due

    def receive(self, s):
        for payload, peer in datagrams(s):
            _, number = HEAD.unpack_from(payload)
            if not self.peers and self.peer is None:
                self.peer, self.sending = peer, True
                self.began = self.due = self.last = time.monotonic()
            self.peers.add(peer[:2])
            if not self.seen[number]:
                self.seen[number] = 1
                self.received += 1
            now = time.monotonic()
            self.gap, self.last = max(self.gap, now - self.last), now

    def answer(self, words, reply):
        if words[0] == "end":
            self.seconds = self.seconds or max(0.001, time.monotonic() - self.began)
            self.sending = False
        elif words[0] != "state":
            return reply("no such question")
        missing = [n for n in range(max(0, self.seen.rfind(1))) if not self.seen[n]] if words[0] == "end" else []
        seconds = self.seconds or max(0.001, time.monotonic() - self.began)
        reply(json.dumps({"sent": self.sent, "received": self.received, "refused": self.refused, "late_ms": round(self.late * 1000, 1),
                          "gap_ms": round(self.gap * 1000, 1), "rate": round(self.sent / seconds), "seconds": round(seconds, 1),
                          "peers": sorted(f"{a}:{p}" for a, p in self.peers), "missing": missing[:5]}))


if __name__ == "__main__":
    verbs = {"echo": echo, "pulse": Pulse, "far": lambda *a: End(*a, far=True), "near": lambda *a: End(*a, far=False)}
    if len(sys.argv) < 4 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](*sys.argv[2:])
