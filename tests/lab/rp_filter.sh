#!/bin/bash
# rp_filter=1 on `all` and on every device of every host.
LAB_RP_FILTER=1
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
equal "strict on the source node" 1 "$(on src1 sysctl -n net.ipv4.conf.under0.rp_filter)"
equal "strict on the gateway" 1 "$(on gw1 sysctl -n net.ipv4.conf.all.rp_filter)"
start_cluster
standard_policy | apply src1
leaves_with a1 $SERVER4 $EGRESS4
leaves_with a1 $SERVER6 $EGRESS6
leaves_with b1 $OTHER4 10.0.0.1
equal "still strict on all" 1 "$(on src1 sysctl -n net.ipv4.conf.all.rp_filter)"
pass
