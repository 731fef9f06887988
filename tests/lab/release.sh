#!/bin/bash
# --release-after-crash takes the egress addresses away, and nothing else; the next start takes them back.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
start_cluster
standard_policy | apply src1
kill_node gw1
addresses() { ip -n gw1 -o address | grep -c "$EGRESS4\|$EGRESS6" || true; }
equal "egress addresses after kill -9" 2 "$(addresses)"
leaves_with a1 $SERVER4 $EGRESS4
on gw1 "$EGRESSD" --release-after-crash --config "$LAB/gw1/egressd.yaml" --state-dir "$LAB/gw1/state" --run-dir "$LAB/gw1/run" || fail "exit $?"
equal "egress addresses after --release-after-crash" 0 "$(addresses)"
on gw1 nft list table inet egressd >/dev/null || fail "the table went as well"
start gw1
eventually 20 "in force again" in_force_everywhere
equal "egress addresses after the start" 2 "$(addresses)"
leaves_with a1 $SERVER4 $EGRESS4
pass
