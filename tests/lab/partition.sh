#!/bin/bash
# Real daemons whose networks fall apart and come together again in any order: at rest at most one MAC has an address, no packet outside ever has a wrong
# source, and 5 s after the last cut is healed all nodes agree. Three gateways and a source node; first with `quorum: none`, then with `majority`.
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
everybody="src1 gw1 gw2 gw3"
lab_cluster 1 3
cuttable under uplink
two_macs $EGRESS4 $EGRESS6
pulse_server $SERVER4
pulse_from pulse a1 $SERVER4 200
without() { local name; for name in $everybody; do [[ " $* " == *" $name "* ]] || printf '%s ' "$name"; done; }
# settled: for a second and a half no question was answered twice, and nobody answered or announced who had not done so before
settled() {
  ask macs forget >/dev/null
  sleep 1.5
  is "[]" counted "[a for a, m in d.items() if m['two'] or m['returns'] or len(m['macs']) > 1]" macs report
}
at_rest() { eventually 12 "$1: at most one MAC for each address" settled; }
gone() { is dead status "$1" "[n['state'] for n in d['cluster']['nodes'] if n['name'] == '$2'][0]"; }
noticed() { eventually 15 "$1 says that $2 is gone" gone "$1" "$2"; }   # noticed BY WHOM: before that, nothing has happened yet that could be wrong
carried() { is yes ask pulse steady 300 1000; }
healed() {  # healed WHAT: after the last cut has been taken away
  eventually 5 "$1, healed: all nodes agree" agreed $everybody
  at_rest "$1, healed"
  eventually 5 "$1, healed: packets pass" carried
  equal "$1: sources outside" $EGRESS4 "$(sources udp $SERVER4)"
}
begin() { eventually 20 "everybody agrees" agreed $everybody >/dev/null; holder=$(holder src1 $EGRESS4); others=$(without "$holder" src1); }
only_gossip() {
  begin
  part under daemons "$holder" "$(without "$holder")"
  noticed "${others%% *}" "$holder"
  at_rest "$holder is not heard by the daemons of the others"
  heal under
  healed "gossip cut"
}
only_uplink() {
  begin
  darken "$holder" uplink
  at_rest "$holder has no uplink"
  heal uplink
  healed "uplink cut"
}
both() {  # both FIRST SECOND: which network is healed first
  begin
  darken "$holder" under uplink
  noticed "${others%% *}" "$holder"
  at_rest "$holder is cut off"
  eventually 10 "another gateway carries the packets" carried
  heal "$1"
  at_rest "$holder has its $1 network again"
  heal "$2"
  healed "both networks cut, $1 healed first"
}
one_way() {  # one_way to|from: what cannot be heard any more
  local other
  begin
  for other in $(without "$holder"); do if [[ $1 == from ]]; then cut under silent "$holder" "$other"; else cut under silent "$other" "$holder"; fi; done
  if [[ $1 == from ]]; then noticed "${others%% *}" "$holder"; else noticed "$holder" "${others%% *}"; fi
  at_rest "nothing passes on the underlay $1 $holder"
  heal under
  healed "one way, $1"
}
one_link() {  # between two gateways, one way: everybody else hears both
  begin
  cut under silent "$holder" "${others%% *}"
  at_rest "$holder is not heard by ${others%% *} alone"
  eventually 10 "packets pass" carried
  heal under
  healed "one link, one way"
}
minority() {  # the holder and nobody else on one side; the uplink network is whole
  begin
  part under silent "$holder" "$(without "$holder")"
  noticed "${others%% *}" "$holder"
  at_rest "$holder alone on the underlay"
  eventually 10 "the majority carries the packets" carried
  if [[ $1 == majority ]]; then equal "addresses of $holder, which has no majority" 0 "$(ip -n "$holder" -o address | grep -c "$EGRESS4/\|$EGRESS6/" || true)"; fi
  heal under
  healed "minority"
}
halves() {  # two and two: nobody has a majority
  begin
  part under silent "$holder src1" "$others"
  noticed "${others%% *}" "$holder"
  noticed src1 "${others%% *}"
  at_rest "$holder and src1 against $others"
  # Either half may have been heard first; who yields keeps away for 10 s, and is the next one then.
  [[ $1 == majority ]] || eventually 25 "$holder carries the packets of src1" carried
  heal under
  healed "halves"
}

node_files
start_cluster
standard_policy | with_gateway "takeover: immediate" "restart_grace: 1s" | apply src1
forget
ask pulse begin >/dev/null
only_gossip
only_uplink
both under uplink
both uplink under
one_way from
one_way to
one_link
minority none
halves none
for node in "${NODES[@]}"; do
  stop "$node"
  with_cluster "$LAB/$node/egressd.yaml" "quorum: majority"
done
start "${NODES[@]}"
minority majority
halves majority
pass
