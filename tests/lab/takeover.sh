#!/bin/bash
# A gateway that dies is replaced: the other one takes the address and says so on the uplink network; when the first comes back, one of them answers.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
start_cluster
standard_policy | apply src1
mac() { on "$1" cat /sys/class/net/up0/address; }
holder=$(holder src1 $EGRESS4)
[[ $(holder src1 $EGRESS6) == "$holder" ]] || say "the IPv6 address is on the other node"
other=$([[ $holder == gw1 ]] && echo gw2 || echo gw1)
stream s a1 $SERVER4 60 100
leaves_with a1 $SERVER4 $EGRESS4
forget
say "$holder dies"
began=$(now_ms)
ip -n under link set "$holder" down
ip -n uplink link set "$holder" down
kill_node "$holder"
eventually 10 "$other holds $EGRESS4" is "$other" holder src1 $EGRESS4
eventually 5 "the outside answers again" talk a1 udp $SERVER4
took=$(($(now_ms) - began))
((took < 10000)) || fail "took $took ms"
leaves_with a1 $SERVER4 $EGRESS4
eventually 10 "$EGRESS6 as well" is "$other" holder src1 $EGRESS6
leaves_with a1 $SERVER6 $EGRESS6
equal "status of the dead node" dead "$(status src1 "[n['state'] for n in d['cluster']['nodes'] if n['name'] == '$holder'][0]")"
say "$holder comes back with everything that it had"
ip -n under link set "$holder" up
ip -n uplink link set "$holder" up
start "$holder"
eventually 30 "in force on every node" in_force_everywhere
equal "holder (no failback)" "$other" "$(holder src1 $EGRESS4)"
leaves_with a1 $SERVER4 $EGRESS4
forget
ip -n outside neighbour flush dev up0
talk a1 udp $SERVER4 >/dev/null
equal "who answers for $EGRESS4" "$(mac "$other")" "$(outside_says owners $EGRESS4)"
for name in gw1 gw2; do equal "$EGRESS4 on $name" "$([[ $name == "$other" ]] && echo 1 || echo 0)" "$(ip -n $name -o address | grep -c "$EGRESS4/" || true)"; done
stream_stop s
stream_end s
say "the stream of 100 packets/s: $(streamed s d)"
pass
