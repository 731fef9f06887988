#!/bin/bash
# The gossip key is changed on three nodes while policies are applied: nobody is ever suspected, no datagram cannot be opened, and afterwards the old
# key opens nothing. A node that was away while the key changed comes back with the key file that it is given.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
host stranger
plug stranger under0 under 10.0.0.99/24
start_cluster
standard_policy | apply src1
ring() { ctl "$1" keys list -o json | $PYTHON "$PROBE" json "[k['fingerprint'] for k in d['keys']]"; }
wrong_keys() { status "$1" 'd["cluster"]["rejected"]["wrong_key"]'; }
doubts() { cat "$LAB"/{src1,gw1,gw2}/log | grep -c 'does not answer\|is dead' || true; }
old=$(ring src1)
say "the ring: $old"
for name in gw1 gw2; do equal "the ring of $name" "$old" "$(ring $name)"; done
on gw1 $PYTHON "$PROBE" capture under0 7947 20 "$LAB/captured" >/dev/null

say "rotation under load: applies one after the other, a stream of 500 packets/s"
stream s a1 $SERVER4 120 500
: >"$LAB/applying"
(
  n=0
  while [[ -e $LAB/applying ]]; do
    n=$((n + 1))
    { standard_policy; echo "    description: change $n"; } >"$LAB/load.yaml"
    ctl src1 apply -f "$LAB/load.yaml" >"$LAB/load.out" 2>&1 || { cp "$LAB/load.out" "$LAB/load.failed"; break; }
    echo "$n" >"$LAB/applied"
  done
) &
load=$!
for node in gw1 src1 gw2; do
  began=$(now_ms)
  ctl $node keys rotate | sed "s/^/  /"
  say "rotated by $node: after $(($(now_ms) - began)) ms"
done
rm "$LAB/applying"
wait "$load" || true
[[ ! -e $LAB/load.failed ]] || { cat "$LAB/load.failed"; fail "an apply failed"; }
say "$(cat "$LAB/applied") policies were applied meanwhile"
eventually 10 "in force on every node" in_force_everywhere
stream_stop s
stream_end s
say "the stream: $(streamed s d)"
equal "lost packets" 0 "$(streamed s 'd["lost"]')"
new=$(ring src1)
[[ $new != "$old" && $new != *,* ]] || fail "the ring is $new, it was $old"
for name in gw1 gw2; do equal "the ring of $name" "$new" "$(ring $name)"; done
equal "suspicions and deaths" 0 "$(doubts)"
for name in src1 gw1 gw2; do equal "datagrams that $name could not open" 0 "$(wrong_keys $name)"; done

say "datagrams sealed with the old key"
sent=$(on stranger $PYTHON "$PROBE" inject "$LAB/captured" replay)
refused() { (($(wrong_keys gw1) >= sent)); }
eventually 5 "$sent of them counted" refused
equal "alive" 3 "$(status gw1 'd["cluster"]["alive"]')"

say "the ring outlives restarts; status says that the key file is outdated until it is not"
findings() { status gw1 "[h['code'] for h in d['health'] if h['code'] == 'W157']"; }
stop gw1
start gw1
eventually 15 "every node sees every other" alive_everywhere
equal "the ring of gw1" "$new" "$(ring gw1)"
equal "findings" '["W157"]' "$(findings)"
(umask 077; ctl gw1 keys export >"$LAB/exported")
equal "lines of the key file" 1 "$(wc -l <"$LAB/exported")"

say "a dead node stops the next rotation before anything changes"
kill_node gw2
eventually 15 "gw2 is dead" is '["dead"]' status src1 "[n['state'] for n in d['cluster']['nodes'] if n['name'] == 'gw2']"
code=0
ctl src1 keys rotate >"$LAB/refused" 2>&1 || code=$?
sed 's/^/  /' "$LAB/refused"
equal "exit" 1 "$code"
grep -q 'gw2 is dead' "$LAB/refused" || fail "it does not say who"
equal "the ring" "$new" "$(ring src1)"
ctl src1 keys rotate --force | sed 's/^/  /'
forced=$(ring src1)
equal "the ring of gw1" "$forced" "$(ring gw1)"
start gw2
knocks() { (($(wrong_keys src1) > 0)); }
eventually 20 "gw2 knocks with its old key" knocks
equal "alive" 2 "$(status src1 'd["cluster"]["alive"]')"
kill_node gw2
(umask 077; ctl src1 keys export >"$LAB/gossip.key")   # the key file of all nodes of the lab
start gw2
eventually 20 "every node sees every other" alive_everywhere
equal "the ring of gw2" "$forced" "$(ring gw2)"
equal "findings" '[]' "$(findings)"
for name in "$LAB"/{src1,gw1,gw2}/state/keys; do equal "mode of the stored ring" 600 "$(stat -c %a "$name")"; done
leaves_with a1 $SERVER4 $EGRESS4
pass
