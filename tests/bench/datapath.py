"""The parts of bench/datapath.

policy|by-hand|rule-each|ipset|iptables POLICIES WORKLOADS   the same policies in different words
measure ROUNDS WORKLOADS WORKLOADS-OF-RULES JSON-FILE|- [--check] LAYOUT…
"""
import ctypes
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time

FLOWS = 1000           # established connections, each of another workload
SECONDS = 0.12         # of sending, each turn
AT_ONCE = 250          # frames in one system call
DESTINATION, PORT = "198.51.100.7", 4000
EGRESS_IPS = 100
WHAT = {"plain": "plain forwarding", "by-hand": "rules by hand: two maps, nothing else", "one": "egressd, 1 policy",
        "many": "egressd, many policies", "rule-each": "one nftables rule for each policy",
        "iptables-nft": "iptables (nf_tables) + ipset, a rule each", "iptables-legacy": "iptables (legacy) + ipset, a rule each"}


def source(number):
    return f"10.{64 + number // 65536}.{number // 256 % 256}.{number % 256}"


def egress(policy):
    return f"203.0.113.{100 + policy % EGRESS_IPS}"


def policy(policies, workloads):
    each = workloads // policies
    print("version: 1\npools: {public: {ipv4: [203.0.113.100-203.0.113.199]}}")
    print("gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}\nworkloads:")
    for i in range(workloads):
        print(f"  w{i}: {{addresses: [{source(i)}], labels: {{app: p{i // each}}}}}")
    print("policies:")
    for i in range(policies):
        print(f"  p{i}: {{from: {{labels: {{app: p{i}}}}}, to: external, egress_ip: {egress(i)}}}")


def by_hand(policies, workloads):
    each = workloads // policies
    print("table ip hand {\n map ids { type ipv4_addr : mark; elements = {")
    print(",\n".join(f"{source(i)} : {i // each + 1}" for i in range(workloads)))
    print("} }\n map addresses { type mark : ipv4_addr; elements = {")
    print(",\n".join(f"{i + 1} : {egress(i)}" for i in range(policies)))
    print("""} }
 chain classify { type filter hook prerouting priority mangle
  ct direction reply return
  ct mark != 0 return
  ip daddr { 10.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4 } return
  ct mark set ip saddr map @ids
 }
 chain translate { type nat hook postrouting priority srcnat
  snat to ct mark map @addresses
 }
}""")


def rule_each(policies, workloads):
    each = workloads // policies
    print("table ip each {\n chain classify { type filter hook prerouting priority mangle\n  ct direction reply return")
    for i in range(policies):
        print(f"  ip daddr != 10.0.0.0/8 ip saddr {{ {', '.join(source(i * each + n) for n in range(each))} }} meta mark set {i + 1} return")
    print(" }\n chain translate { type nat hook postrouting priority srcnat")
    for i in range(policies):
        print(f"  meta mark {i + 1} snat to {egress(i)}")
    print(" }\n}")


def ipset(policies, workloads):
    each = workloads // policies
    print("create internal hash:net\nadd internal 10.0.0.0/8")
    for i in range(policies):
        print(f"create src{i} hash:net")
        for n in range(each):
            print(f"add src{i} {source(i * each + n)}")


def iptables(policies, _workloads):
    print("*mangle\n:PREROUTING ACCEPT\n:REQUEST -\n-A PREROUTING -j REQUEST")
    for i in range(policies):
        print(f"-A REQUEST -m set --match-set src{i} src -m set ! --match-set internal dst -m conntrack --ctdir ORIGINAL -j MARK --set-mark {i + 1}")
    print("COMMIT\n*nat\n:POSTROUTING ACCEPT\n:SNAT-EIP -\n-A POSTROUTING -j SNAT-EIP")
    for i in range(policies):
        print(f"-A SNAT-EIP -m set --match-set src{i} src -m set ! --match-set internal dst -j SNAT --to-source {egress(i)}")
    print("COMMIT")


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):  # struct mmsghdr
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("iov", ctypes.POINTER(Iovec)), ("iov_length", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int64), ("sent", ctypes.c_uint32)]


LIBC = ctypes.CDLL(None, use_errno=True)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(namespace, device):
    text = subprocess.run(["ip", "netns", "exec", namespace, "cat", f"/sys/class/net/{device}/address"], check=True, capture_output=True, text=True)
    return bytes.fromhex(text.stdout.strip().replace(":", ""))


class Sender:
    """A packet socket in the layout's own namespace, and its frames: 64 bytes of UDP each, without a checksum."""

    def __init__(self, layout, workloads):
        self.layout, self.sent = layout, 0
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/from-{layout}", os.O_RDONLY)
        if LIBC.setns(there, 0x40000000):
            sys.exit(f"setns: {os.strerror(ctypes.get_errno())}")
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
        self.socket.bind(("s0", 0))
        LIBC.setns(home, 0x40000000)
        os.close(home), os.close(there)
        ethernet = mac(f"at-{layout}", "in0") + mac(f"from-{layout}", "s0") + b"\x08\x00"
        self.buffers = []
        for flow in range(FLOWS):
            number = flow * (workloads // FLOWS)
            header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 50, 0, 0x4000, 64, 17, 0, socket.inet_aton(source(number)), socket.inet_aton(DESTINATION))
            header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
            self.buffers.append(ctypes.create_string_buffer(ethernet + header + struct.pack("!HHHH", 1024 + flow, PORT, 30, 0) + bytes(22), 64))
        self.iovecs = (Iovec * FLOWS)(*(Iovec(ctypes.addressof(b), 64) for b in self.buffers))
        self.messages = (Message * FLOWS)()
        for i in range(FLOWS):
            self.messages[i].iov = ctypes.pointer(self.iovecs[i])
            self.messages[i].iov_length = 1

    def _send(self, first):
        done = LIBC.sendmmsg(self.socket.fileno(), ctypes.byref(self.messages, first * ctypes.sizeof(Message)), AT_ONCE, 0)
        if done != AT_ONCE:
            sys.exit(f"{self.layout}: {done} of {AT_ONCE} frames left: {os.strerror(ctypes.get_errno())}")
        self.sent += done

    def once(self):
        for first in range(0, FLOWS, AT_ONCE):
            self._send(first)

    def turn(self):
        """Nanoseconds a packet."""
        before, began, first = self.sent, time.perf_counter_ns(), 0
        while time.perf_counter_ns() - began < SECONDS * 1e9:
            self._send(first)
            first = (first + AT_ONCE) % FLOWS
        return (time.perf_counter_ns() - began) / (self.sent - before)

    def arrived(self):
        text = subprocess.run(["ip", "netns", "exec", f"to-{self.layout}", "nft", "-j", "list", "counter", "netdev", "sink", "arrived"], check=True,
                              capture_output=True, text=True).stdout
        return next(o["counter"]["packets"] for o in json.loads(text)["nftables"] if "counter" in o)


def measure(rounds, workloads, of_rules, file, *layouts):
    check = "--check" in layouts
    layouts = [layout for layout in layouts if layout != "--check"]
    few = {"one": 1000} | {layout: int(of_rules) for layout in ("rule-each", "iptables-nft", "iptables-legacy")}
    senders = [Sender(layout, few.get(layout, int(workloads))) for layout in layouts]
    for sender in senders:
        sender.once(), sender.once()  # every connection is there
    taken = {layout: [] for layout in layouts}
    for number in range(int(rounds)):
        for sender in senders if number % 2 == 0 else senders[::-1]:
            taken[sender.layout].append(sender.turn())
    for sender in senders:
        if sender.arrived() != sender.sent:
            sys.exit(f"{sender.layout}: {sender.sent} packets were sent, and {sender.arrived()} arrived")

    def ratio(layout, to):  # packet rate of `layout` as a share of that of `to`, round by round
        return statistics.median(b / a for a, b in zip(taken[layout], taken[to]))

    print(f"\n{'a packet of an established connection, 1,000 connections':<58} {'ns, best':>9} {'median':>9} {'rate to by hand':>16}")
    for layout in layouts:
        print(f"{WHAT[layout]:<58} {min(taken[layout]):9.0f} {statistics.median(taken[layout]):9.0f} {ratio(layout, 'by-hand'):16.2f}")
    goals = [("many policies to one", ratio("many", "one"), 0.97), ("many policies to rules by hand", ratio("many", "by-hand"), 0.98)]
    goals += [(f"many policies to {WHAT[layout]}", ratio("many", layout), 50) for layout in layouts if layout.startswith("iptables")]
    print()
    for what, found, goal in goals:
        print(f"{what:<72} {found:9.2f}   goal {goal}{'' if found >= goal else '   missed'}")
    if file != "-":
        with open(file, "w") as out:
            json.dump({"nanoseconds": taken, "ratios": {what: found for what, found, _ in goals}}, out)
    if check and any(found < goal for _, found, goal in goals):
        sys.exit("a goal is missed")


KINDS = {"policy": policy, "by-hand": by_hand, "rule-each": rule_each, "ipset": ipset, "iptables": iptables}
if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(*sys.argv[2:])
    else:
        KINDS[sys.argv[1]](*map(int, sys.argv[2:]))
