"""What bench/failover has measured.

record FILE NAME=VALUE… PULSE MACS ALL VERDICT…   one kill more: the answers of pulse.py, two_macs.py, probe.py and flows.py, as files
print FILE JSON-FILE|- [--check]                  tables for people, everything for machines; --check: exit 1 if a goal is missed
"""
import json
import sys

KINDS = {"power": "power loss", "links": "links cut, silent", "underlay": "underlay cut, silent", "uplink": "uplink cut, silent",
         "carrier": "uplink without carrier", "kill": "processes killed", "stop": "processes stopped", "planned": "planned stop"}
SYSTEMS = ("egressd", "keepalived")
INTERVAL = {"lan": "100 ms", "fast": "10 ms"}
UNPLANNED = ("power", "links")  # what the goals for detection speak about
GOALS = {"lan": 500, "fast": 60}  # p99 of the outage, ms


def record(path, *words):
    values = dict(word.split("=", 1) for word in words if "=" in word)
    pulse, macs, everything, *verdicts = [word for word in words if "=" not in word]
    with open(pulse) as p, open(macs) as m, open(everything) as a:
        pulse, mac = json.load(p), json.load(m)[values["address"]]
        lines = [line.split() for line in a.read().splitlines()]
    wrong = {f"{proto} {source}": int(n) for n, proto, source, server in lines if server == values["server"] and source != values["address"]}
    one = {key: values[key] for key in ("profile", "kind", "system")}
    one |= {key: values[key] == "yes" for key in ("moved", "steady")}
    one |= {key: json.loads(values[key]) for key in ("cpu_ms", "sync_bytes", "commit_us") if key in values}
    one |= {"outage_ms": pulse["gap_ms"], "own_stall_ms": pulse["stall_ms"], "probes_lost": pulse["sent"] - pulse["received"], "wrong_source": sum(wrong.values()), "wrong_sources": wrong,
            "asked": mac["asked"], "two_macs": mac["two"], "returns": mac["returns"], "stale": mac["stale"]}
    found = [json.load(open(v)) for v in verdicts]
    one |= {key: sum(f[key] for f in found) for key in ("tcp", "tcp_alive", "reset", "silent", "udp", "udp_alive")}
    one["by_kind"] = [f["by_kind"] for f in found]
    one["delay_ms"] = max(f["delay_ms"]["max"] for f in found)
    with open(path, "a") as out:
        out.write(json.dumps(one) + "\n")
    print(f"{one['profile']} {one['kind']} {one['system']}: {one['outage_ms']} ms, {one['tcp_alive']}/{one['tcp']} connections"
          f"{'' if one['steady'] else ', not recovered'}{'' if one['moved'] else ', not taken over'}", flush=True)


def rank(values, share):
    values = sorted(values)
    return values[max(0, -(-len(values) * share // 100) - 1)]


def summary(kills):
    outages = [k["outage_ms"] for k in kills]
    return {"kills": len(kills), "median_ms": rank(outages, 50), "p99_ms": rank(outages, 99), "max_ms": max(outages),
            "not_recovered": sum(not k["steady"] for k in kills), "not_moved": sum(not k["moved"] for k in kills),
            "own_stall_ms": max(k["own_stall_ms"] for k in kills),
            **{key: sum(k[key] for k in kills) for key in ("tcp", "tcp_alive", "reset", "wrong_source", "asked", "two_macs", "returns", "stale")}}


def print_kills(profile, summaries):
    print(f"\noutage in ms, {INTERVAL[profile]} between heartbeats (profile {profile}; keepalived: advert_int)")
    print(f"{'kind':<24}{'system':<12}{'kills':>5}{'median':>9}{'p99':>9}{'max':>9}{'ratio':>7}{'never':>6}{'connections':>14}{'RST':>6}"
          f"{'two MACs':>12}{'stale':>7}{'wrong':>6}")
    for kind in KINDS:
        both = [summaries.get((profile, kind, system)) for system in SYSTEMS]
        for system, s in zip(SYSTEMS, both):
            if not s:
                continue
            ratio = f"{s['median_ms'] / both[1]['median_ms']:.2f}" if system == "egressd" and both[1] and both[1]["median_ms"] else ""
            print(f"{KINDS[kind] if system == SYSTEMS[0] else '':<24}{system:<12}{s['kills']:>5}{s['median_ms']:>9.1f}{s['p99_ms']:>9.1f}{s['max_ms']:>9.1f}"
                  f"{ratio:>7}{s['not_recovered']:>6}{str(s['tcp_alive']) + '/' + str(s['tcp']):>14}{s['reset']:>6}"
                  f"{str(s['two_macs']) + '/' + str(s['asked']):>12}{s['stale']:>7}{s['wrong_source']:>6}")


def print_costs(costs):
    if not costs:
        return
    print("\npower loss of a gateway with many connections (100 ms)")
    print(f"{'system':<12}{'TCP alive':>14}{'UDP alive':>11}{'outage ms':>11}{'worst record ms':>17}{'CPU ms before':>15}{'sync bytes before':>19}{'commit ms':>11}")
    for k in costs:
        commit = "-" if k["commit_us"] is None else f"{k['commit_us'] / 1000:.1f}"
        print(f"{k['system']:<12}{str(k['tcp_alive']) + '/' + str(k['tcp']):>14}{str(k['udp_alive']) + '/' + str(k['udp']):>11}{k['outage_ms']:>11.1f}"
              f"{k['delay_ms']:>17}{k['cpu_ms']:>15}{k['sync_bytes']:>19}{commit:>11}")
    print("CPU: all daemons of the system while the connections were opened and 2 s more; sync: what these daemons said to each other, less what they say at rest")


def goals(kills, costs, summaries):
    for profile, p99 in GOALS.items():
        ours, theirs = ([k["outage_ms"] for k in kills if k["profile"] == profile and k["kind"] in UNPLANNED and k["system"] == s] for s in SYSTEMS)
        if ours and theirs:
            mine, other = rank(ours, 50), rank(theirs, 50)
            yield f"{profile}: median outage {mine:.1f} ms, at most keepalived's {other:.1f} ms", mine <= other
            yield f"{profile}: p99 {rank(ours, 99):.1f} ms, at most {p99} ms", rank(ours, 99) <= p99
    planned = [k["outage_ms"] for k in kills if k["kind"] in ("planned", "carrier") and k["system"] == "egressd"]
    if planned:
        yield f"planned stop and loss of carrier: median {rank(planned, 50):.1f} ms, under 50 ms", rank(planned, 50) < 50
    ours = [k for k in kills + costs if k["system"] == "egressd"]
    yield "egressd: no packet with a wrong source", not any(k["wrong_source"] for k in ours)
    yield "egressd: no question answered by two MACs", not any(k["two_macs"] for k in ours)
    yield "egressd: no packet by an earlier holder", not any(k["stale"] for k in ours if k["kind"] != "planned")
    tcp, alive = sum(k["tcp"] for k in ours), sum(k["tcp_alive"] for k in ours)
    if tcp:
        yield f"egressd: {alive} of {tcp} connections go on, at least 99.99 %", alive * 10000 >= tcp * 9999
    yield "egressd: every kill was recovered from", all(k["steady"] for k in ours)
    for k in costs:
        if k["system"] == "egressd":
            yield f"egressd: nothing replicated before ({k['sync_bytes']} bytes)", k["sync_bytes"] < k["tcp"]


def show(path, json_path, check=""):
    with open(path) as lines:
        everything = [json.loads(line) for line in lines]
    kills, costs = [k for k in everything if k["kind"] != "table"], [k for k in everything if k["kind"] == "table"]
    groups = {}
    for k in kills:
        groups.setdefault((k["profile"], k["kind"], k["system"]), []).append(k)
    summaries = {key: summary(group) for key, group in groups.items()}
    for profile in INTERVAL:
        if any(key[0] == profile for key in summaries):
            print_kills(profile, summaries)
    print("never: not one steady second of answers until the limit; connections: those that carry data again; stale: packets that left by the earlier holder")
    print("after the new one had announced; wrong: packets outside with another source than the egress IP")
    print(f"the probe's own longest pause between two sendings: {max(k['own_stall_ms'] for k in everything):.1f} ms")
    print_costs(costs)
    print()
    verdicts = list(goals(kills, costs, summaries))
    for text, met in verdicts:
        print(f"{'met   ' if met else 'MISSED'}  {text}")
    if json_path != "-":
        with open(json_path, "w") as out:
            json.dump({"schema": "egressd.bench.failover/v1", "kills": everything, "goals": [{"goal": text, "met": met} for text, met in verdicts],
                       "summary": [dict(zip(("profile", "kind", "system"), key)) | s for key, s in summaries.items()]}, out, indent=1)
            out.write("\n")
    return 1 if check and not all(met for _, met in verdicts) else 0


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("record", "print"):
        sys.exit(__doc__)
    sys.exit((record if sys.argv[1] == "record" else show)(*sys.argv[2:]))
