#!/usr/bin/python3
"""Questions to a Prometheus, to what it scrapes, and clients that misbehave.

prometheus.py query BASE EXPRESSION              [[labels, value], …] as JSON
prometheus.py fetch URL [ACCEPT]                 the body; the status goes to standard error
prometheus.py dashboard BASE FILE JOB WINDOW     every expression of a Grafana dashboard gives series
prometheus.py hostile HOST PORT SECONDS          slow, silent, greedy and lying clients; prints how many of each
"""
import json
import math
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def query(base, expression):
    url = f"{base}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            result = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{expression}: {error.read().decode()}")
    return [(sample["metric"], float(sample["value"][1])) for sample in result["result"]]


def fetch(url, accept=""):
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def check_dashboard(base, path, job, window):
    with open(path) as file:
        found = list(expressions(json.load(file)))
    empty = []
    for title, expression in found:
        asked = expression.replace("$job", job).replace("$__rate_interval", window)
        if re.search(r"\$\w", asked):
            sys.exit(f"{title}: a variable that is not known: {asked}")
        values = [value for _, value in query(base, asked) if not math.isnan(value)]
        if not values:
            empty.append(f"{title}: {asked}")
    print("\n".join(empty) if empty else f"{len(found)} expressions give series")
    return bool(empty)


def hostile(host, port, seconds):
    counts = {"silent": 0, "slow": 0, "greedy": 0, "lying": 0}
    kept, slow = [], []
    until = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < until:
        turn += 1
        kind = ("silent", "slow", "greedy", "lying")[turn % 4]
        try:
            client = socket.create_connection((host, port), timeout=2)
            client.setblocking(False)
            if kind == "slow":
                client.send(b"GET /metrics HT")
                slow.append(client)
            elif kind == "greedy":  # asks and never reads
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                client.send(b"GET /metrics HTTP/1.1\r\n\r\n")
            elif kind == "lying":
                client.send(b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 60000)
            counts[kind] += 1
            kept.append(client)
        except OSError:
            pass
        for other in slow[-20:]:
            try:
                other.send(b"T")
            except OSError:
                pass
        while len(kept) > 300:
            kept.pop(0).close()
        time.sleep(0.002)
    print(json.dumps(counts))
    return not all(counts.values())


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "query":
        print(json.dumps(query(*arguments)))
    elif verb == "fetch":
        status, kind, body = fetch(*arguments)
        print(status, kind, file=sys.stderr)
        print(body, end="")
    elif verb == "dashboard":
        sys.exit(check_dashboard(*arguments))
    elif verb == "hostile":
        sys.exit(hostile(arguments[0], int(arguments[1]), float(arguments[2])))
    else:
        sys.exit(__doc__)


main()
