"""How long after an engine's event the kernel knows: sync_times.py ENGINE_SOCKET CONTAINER_NAME IPV4_ADDRESS, in the node's network namespace.

Follows the engine's events (their own time stamps) and nftables' notifications side by side. On SIGTERM prints JSON: `start` and `stop`, each a
list of milliseconds from the event to the element that came or went, and `missing`: events without an element within three seconds. A start is
counted from `init`, when the container has its address and its first process does not run yet.
"""
import http.client
import ipaddress
import json
import select
import signal
import socket
import struct
import sys
import threading
import time

NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM = 10, 12, 14
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_NETFILTER, NFNLGRP_NFTABLES = 270, 1, 12, 7
engine, name, address = sys.argv[1], sys.argv[2], ipaddress.ip_address(sys.argv[3]).packed
events, elements = [], []


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(engine)


def follow_events():
    connection = Connection("localhost")
    connection.request("GET", "/v1.41/events")
    for line in connection.getresponse():
        event = json.loads(line)
        if event["Actor"]["Attributes"].get("name") == name and event["Action"] in ("init", "die"):
            events.append((event["timeNano"] / 1e9, "start" if event["Action"] == "init" else "stop"))


def report(*_):
    told = {"start": [], "stop": [], "missing": 0}
    for at, what in events:
        # The two come from different clocks' readings of the same clock: a little earlier is possible.
        found = [when for when, which in elements if which == what and at - 0.005 <= when < at + 3]
        if found:
            told[what].append(round((min(found) - at) * 1000, 1))
        else:
            told["missing"] += 1
    print(json.dumps(told), flush=True)
    sys.exit(0)


netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
netlink.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
netlink.bind((0, 0))
netlink.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
threading.Thread(target=follow_events, daemon=True).start()
signal.signal(signal.SIGTERM, report)
while True:
    select.select([netlink], [], [])
    now, bytes_ = time.time(), netlink.recv(1 << 20)
    at = 0
    while at + 16 <= len(bytes_):
        length, kind = struct.unpack_from("=IH", bytes_, at)
        if length < 16:
            break
        if kind >> 8 == NFNL_SUBSYS_NFTABLES and address in bytes_[at + 20:at + length]:
            if kind & 0xFF == NFT_MSG_NEWSETELEM:
                elements.append((now, "start"))
            elif kind & 0xFF == NFT_MSG_DELSETELEM:
                elements.append((now, "stop"))
        at += length + 3 & ~3
