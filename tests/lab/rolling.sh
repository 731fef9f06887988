#!/bin/bash
# Every daemon is restarted, one after the other, with `on_stop: keep` and SIGTERM and then with SIGKILL, and the policy changes 20 times: 1,000 packets/s
# in each direction lose nothing.
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
lab_cluster 1 2
node_files
for node in "${NODES[@]}"; do sed -i 's/^node: {/&on_stop: keep, /' "$LAB/$node/egressd.yaml"; done
start_cluster
standard_policy | apply src1
holder=$(holder src1 $EGRESS4)
no_loss() {  # no_loss WHAT
  pair_lossless "$1"
  equal "$1: sources outside" $EGRESS4 "$(sources udp $SERVER4)"
  equal "$1: holder" "$holder" "$(holder src1 $EGRESS4)"
}
for signal in TERM KILL; do
  forget
  pair_begin a1 $SERVER4 1000
  for node in "$holder" src1 $([[ $holder == gw1 ]] && echo gw2 || echo gw1); do
    kill_node "$node" $signal
    sleep 0.5   # so long a package takes to be replaced
    start "$node"
    eventually 20 "SIG$signal: $node is back, everybody agrees" agreed src1 gw1 gw2
  done
  no_loss "SIG$signal"
done

forget
pair_begin a1 $SERVER4 1000
for ((n = 1; n <= 20; ++n)); do
  {
    standard_policy
    # A policy more or less, other workloads, another egress IP for them, and another destination: what a1 does is untouched.
    printf '  other:\n    priority: %d\n    from: {labels: {app: other}}\n    to: [198.51.100.%d/32]\n    egress_ip: {ipv4: 203.0.113.%d}\n' \
      $((100 + n)) $((8 + n % 2)) $((101 + n % 5))
    ((n % 3 != 0)) || printf '  third: {from: {cidr: [172.17.1.%d/32]}, to: external, egress_ip: {ipv4: 203.0.113.109}}\n' $n
  } >"$LAB/changed.yaml"
  ctl "$([[ $((n % 2)) == 0 ]] && echo src1 || echo gw1)" apply -f "$LAB/changed.yaml" >"$LAB/apply.out" 2>&1 || { cat "$LAB/apply.out"; fail "change $n"; }
  eventually 20 "change $n" agreed src1 gw1 gw2 >/dev/null
done
say "20 changes"
no_loss "changes of policy"
pass
