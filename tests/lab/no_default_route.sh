#!/bin/bash
# A source node that has no default route at all, with strict reverse-path filters: its selected workloads reach the outside through the gateway only.
LAB_RP_FILTER=1
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
ip -n src1 route del default
ip -n src1 -6 route del default
start_cluster
standard_policy | apply src1
leaves_with a1 $SERVER4 $EGRESS4
leaves_with a1 $SERVER6 $EGRESS6
talk b1 udp $OTHER4 >/dev/null 2>&1 && fail "an unselected workload got out of a host without a default route"
equal "the unselected workload" "" "$(sources udp $OTHER4)"
pass
