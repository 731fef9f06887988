#!/bin/bash
# The gateways' default route points into the underlay network, the egress IP lives on another device, and every reverse-path filter is strict:
# packets leave by the uplink all the same, towards what is behind its router and towards its own network.
LAB_RP_FILTER=1
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
for n in 1 2; do
  ip -n "gw$n" route replace default via 10.0.0.254
  ip -n "gw$n" route add default via 203.0.113.254 metric 1000
  ip -n "gw$n" -6 route del default
  ip -n "gw$n" -6 route add default via fd00:a::fe metric 10
  ip -n "gw$n" -6 route add default via 2001:db8:1::fe metric 2000
done
start_cluster
standard_policy | apply gw1
leaves_with a1 $SERVER4 $EGRESS4
equal "by device" up0 "$(outside_says devices tcp $SERVER4)"
leaves_with a1 203.0.113.254 $EGRESS4
equal "by device" up0 "$(outside_says devices udp 203.0.113.254)"
leaves_with a1 $SERVER6 $EGRESS6
equal "by device" up0 "$(outside_says devices tcp $SERVER6)"
say "the gateway's own traffic keeps its route"
forget
on gw1 $PYTHON "$PROBE" talk udp $OTHER4 >/dev/null
equal "gw1 itself" "10.0.0.11 under0" "$(sources udp $OTHER4) $(outside_says devices udp $OTHER4)"
pass
