"""From a workload's drop-in file to the kernel: drop_in.py DIRECTORY ROUNDS [--json], in the node's network namespace.

Each round moves one file with one workload into the directory, and waits for the kernel's own notification of the new set element.
"""
import json
import os
import socket
import statistics
import struct
import sys
import time

NETLINK_NETFILTER, GROUP_NFTABLES, NEW_ELEMENT = 12, 7, 10 << 8 | 12


def messages(s):
    buffer = s.recv(1 << 20)
    while len(buffer) >= 16:
        length, kind = struct.unpack_from("IH", buffer)
        yield kind, buffer[:length]
        buffer = buffer[(length + 3) & ~3:]


def main(directory, rounds, as_json):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    s.bind((0, 1 << GROUP_NFTABLES - 1))
    s.settimeout(5)
    took, counts, sizes = [], [], []
    for number in range(rounds):
        address = f"10.250.{number}.1"
        hidden = os.path.join(directory, f".bench{number}.new")
        with open(hidden, "w") as file:
            file.write(f"workloads: {{bench{number}: {{addresses: [{address}], labels: {{app: p{number}}}}}}}\n")
        time.sleep(0.2)  # the next file comes to a daemon at rest
        began = time.monotonic()
        os.rename(hidden, os.path.join(directory, f"bench{number}.yaml"))
        found = False
        while not found:
            for kind, message in messages(s):
                if kind == NEW_ELEMENT and socket.inet_aton(address) in message:
                    found = True
                    sizes.append(len(message))
        took.append((time.monotonic() - began) * 1000)
        s.settimeout(0.1)
        others = 1
        try:
            while True:
                others += sum(kind == NEW_ELEMENT for kind, _ in messages(s))
        except TimeoutError:
            pass
        counts.append(others)
        s.settimeout(5)
    took.sort()
    if as_json:
        print(json.dumps({"median": statistics.median(took), "fastest": took[0], "slowest": took[-1]}))
        return
    print(f"{'one workload more: file moved → element in the kernel, median':<64} {statistics.median(took):10.2f}")
    print(f"{'  … fastest / slowest':<64} {took[0]:10.2f} / {took[-1]:.2f}")
    print(f"{'  … element messages in each change, at most':<64} {max(counts):10}")
    print(f"{'  … bytes of the message':<64} {max(sizes):10}")


main(sys.argv[1], int(sys.argv[2]), "--json" in sys.argv[3:])
