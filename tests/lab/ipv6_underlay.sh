#!/bin/bash
# Everything between the nodes is IPv6: gossip and tunnel; the workloads' traffic is both.
LAB_UNDERLAY=6
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
for name in gw1 gw2; do ip -n $name -4 address flush dev under0; done
start_cluster
standard_policy | apply src1
equal "mtu of the tunnel" 1430 "$(on src1 cat /sys/class/net/egressd0/mtu)"
on src1 ip -d link show egressd0 | grep -c 'local fd00:a::1 ' >/dev/null || fail "the tunnel does not use the IPv6 underlay"
leaves_with a1 $SERVER4 $EGRESS4
leaves_with a1 $SERVER6 $EGRESS6
leaves_with b1 $OTHER4 10.0.0.1
for direction in down up; do equal "TCP $direction" 10000000 "$(on a1 $PYTHON "$PROBE" bulk $direction $SERVER4 10000000)"; done
equal "datagram of 3000 bytes" 3000 "$(on a1 $PYTHON "$PROBE" large $SERVER4 3000)"
pass
