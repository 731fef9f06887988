#!/bin/bash
# Datagrams that are replayed, truncated, bit-flipped, garbage, of another cluster or of another key: counted, without any other effect.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
host stranger
plug stranger under0 under 10.0.0.99/24
start_cluster
standard_policy | apply src1
rejected() { status gw1 'sum(v for v in d["cluster"]["rejected"].values())'; }
more_rejected() { (($(rejected) >= $1)); }
effect() { status gw1 '[d["policy"], sorted((n["name"], n["state"], n["address"], n["generation"]) for n in d["cluster"]["nodes"]), d["egress_ips"], d["datapath"]]'; }
before=$(effect)
on gw1 $PYTHON "$PROBE" capture under0 7947 20 "$LAB/captured" >/dev/null
say "captured 20 datagrams from src1 to gw1"
grep -qi 'src1\|selected' <(xxd -r -p <($PYTHON -c 'import json,sys; print("".join(d["payload"] for d in json.load(open(sys.argv[1]))))' "$LAB/captured") 2>/dev/null) &&
  fail "a node name can be read on the wire"
for kind in replay flip truncate garbage; do
  count=$(rejected)
  sent=$(on stranger $PYTHON "$PROBE" inject "$LAB/captured" $kind)
  say "$kind: $sent datagrams sent; counters: $(status gw1 'd["cluster"]["rejected"]')"
  eventually 5 "$kind: $sent datagrams counted" more_rejected $((count + sent))
  equal "effect of $kind" "$before" "$(effect)"
done
say "counters: $(status gw1 'd["cluster"]["rejected"]')"

say "daemons of another cluster name and of another key"
NODES+=(stranger)
mkdir -p "$LAB/stranger/state" "$LAB/stranger/run" "$LAB/stranger/workloads.d"
UNDERLAY[stranger]=10.0.0.99
for kind in cluster key; do
  node_file stranger gateway
  [[ $kind == key ]] || sed -i 's/name: lab$/name: another/' "$LAB/stranger/egressd.yaml"
  if [[ $kind == key ]]; then
    (umask 077; head -c 32 /dev/urandom | base64 >"$LAB/other.key")
    sed -i "s|key_file: .*|key_file: $LAB/other.key|" "$LAB/stranger/egressd.yaml"
  fi
  count=$(rejected)
  start stranger
  eventually 10 "the daemon of another $kind is counted" more_rejected $((count + 3))
  sleep 1
  equal "effect" "$before" "$(effect)"
  equal "what the stranger sees" 1 "$(status stranger 'd["cluster"]["alive"]')"
  kill_node stranger
  rm -rf "$LAB/stranger/state"; mkdir "$LAB/stranger/state"
done
say "counters: $(status gw1 'd["cluster"]["rejected"]')"
leaves_with a1 $SERVER4 $EGRESS4
pass
