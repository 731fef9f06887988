#!/bin/bash
# --release-after-crash takes the egress addresses away and tells the other nodes, which take them at once; the next start keeps what it gets.
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
lab_cluster 1 2
start_cluster
standard_policy | with_gateway "restart_grace: 1m" | apply src1
ctl src1 move $EGRESS4 gw1 && ctl src1 move $EGRESS6 gw1 || fail "egressctl move"
eventually 10 "gw1 holds both" is gw1 holder src1 $EGRESS6
kill_node gw1
addresses() { ip -n gw1 -o address | grep -c "$EGRESS4\|$EGRESS6" || true; }
equal "egress addresses after kill -9" 2 "$(addresses)"
leaves_with a1 $SERVER4 $EGRESS4
on gw1 "$EGRESSD" --release-after-crash --config "$LAB/gw1/egressd.yaml" --state-dir "$LAB/gw1/state" --run-dir "$LAB/gw1/run" || fail "exit $?"
equal "egress addresses after --release-after-crash" 0 "$(addresses)"
# The lease alone would keep them for a minute.
eventually 2 "gw2 holds the one" is gw2 holder src1 $EGRESS4
eventually 2 "gw2 holds the other" is gw2 holder src1 $EGRESS6
leaves_with a1 $SERVER4 $EGRESS4
on gw1 nft list table inet egressd >/dev/null || fail "the table went as well"
start gw1
eventually 20 "in force again" in_force_everywhere
leaves_with a1 $SERVER4 $EGRESS4
pass
