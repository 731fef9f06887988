#!/bin/bash
# A second apply of the same file writes nothing to any kernel: no nftables generation, no rtnetlink notification.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
start_cluster
standard_policy | apply src1
talk a1 udp $SERVER4 >/dev/null
sleep 2   # what an apply may still do afterwards is over
declare -a MONITORS=()
monitor() {
  local name
  for name in "${NODES[@]}"; do
    ip netns exec "$name" stdbuf -oL nft monitor >"$LAB/$name/nft.monitor" 2>&1 & MONITORS+=($!)
    ip netns exec "$name" stdbuf -oL ip monitor link address route rule >"$LAB/$name/ip.monitor" 2>&1 & MONITORS+=($!)
  done
  sleep 0.5
}
# Leases are prolonged all the time, whatever is applied.
written() { sleep 1; cat "$LAB"/*/nft.monitor "$LAB"/*/ip.monitor | grep -vE "^(add|delete) element (inet|arp) egressd (awake|lease[46]|answers6?) |^# new generation"; }
monitor
generation=$(status src1 'd["policy"]["generation"]')
ctl src1 apply -f "$LAB/applied.yaml" >"$LAB/apply.out" || fail "the second apply: $(cat "$LAB/apply.out")"
cat "$LAB/apply.out"
grep -qi unchanged "$LAB/apply.out" || fail "the second apply does not say unchanged"
equal "written by the second apply" "" "$(written)"
equal "generation" "$generation" "$(status src1 'd["policy"]["generation"]')"
ctl gw1 apply -f "$LAB/applied.yaml" >/dev/null || fail "apply on another node"
equal "written by an apply on another node" "" "$(written)"
sed 's/external/any/' "$LAB/applied.yaml" | apply src1
[[ -n $(written) ]] || fail "the monitors see nothing: the checks above prove nothing"
pass
