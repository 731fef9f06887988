#!/bin/bash
# A selected workload leaves with its own egress IP over TCP, UDP and ICMP, IPv4 and IPv6, from the first packet on; its unselected neighbour does not.
. "$(dirname "$0")/lab.sh"
lab_cluster 2 2
start_cluster
standard_policy | apply src1
for n in 1 2; do
  leaves_with "a$n" $SERVER4 $EGRESS4
  leaves_with "a$n" $SERVER6 $EGRESS6
  leaves_with "b$n" $OTHER4 "10.0.0.$n"
  leaves_with "b$n" $OTHER6 "fd00:a::$n"
done
equal "verdict" true "$(status gw1 'd["healthy"]')"
pass
