"""Do daemons agree? agree.py EGRESSCTL LAB NODE…: exit 0 if so, else 1 and what the first difference is.

Every node sees all of these alive and no other, all have the same generation, are in sync, and name the same holder of every egress IP, held.
"""
import concurrent.futures
import json
import os
import subprocess
import sys


def status(egressctl, lab, node):
    run = subprocess.run([egressctl, "--socket", f"{lab}/{node}/run/control.sock", "status", "-o", "json"], capture_output=True, timeout=10)
    if run.returncode not in (0, 1):
        return None, f"{node}: egressctl exits with {run.returncode}: {run.stderr.decode().strip()[:300]}"
    return json.loads(run.stdout), ""


def main(egressctl, lab, *nodes):
    first = None
    with concurrent.futures.ThreadPoolExecutor(2 * os.cpu_count()) as pool:
        for node, (found, error) in zip(nodes, pool.map(lambda node: status(egressctl, lab, node), nodes)):
            if error:
                return error
            alive = sorted(n["name"] for n in found["cluster"]["nodes"] if n["state"] in ("alive", "drained"))
            if alive != sorted(nodes):
                return f"{node}: sees {len(alive)} alive, not {len(nodes)}: {' '.join(sorted(set(alive) ^ set(nodes)))}"
            if not found["datapath"]["in_sync"]:
                return f"{node}: not in sync"
            says = {"generation": found["policy"]["generation"], "digest": found["policy"]["digest"],
                    "holders": sorted((i["ip"], i["node"], i["state"]) for i in found["egress_ips"])}
            if any(state != "held" for _, _, state in says["holders"]):
                return f"{node}: {says}"
            if first is None:
                first = says
            elif says != first:
                return f"{nodes[0]}: {first}\n{node}: {says}"
    return ""


difference = main(*sys.argv[1:])
print(difference or "agreed")
sys.exit(bool(difference))
