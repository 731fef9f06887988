#!/bin/bash
# Gateways with workloads of their own: behind the holder nothing goes through the tunnel, behind the other gateway it does; both leave with the egress IP.
. "$(dirname "$0")/lab.sh"
lab_cluster 0 2
for n in 1 2; do
  docker_bridge "gw$n"
  workload "a$n" "gw$n" 2
  workload "b$n" "gw$n" 3
  masquerade "gw$n"
done
start_cluster
standard_policy | apply gw1
for n in 1 2; do
  leaves_with "a$n" $SERVER4 $EGRESS4
  leaves_with "a$n" $SERVER6 $EGRESS6
  leaves_with "b$n" $OTHER4 "203.0.113.$((10 + n))"
done
say "a single node without a cluster and without a key"
stop gw1 gw2
rm -rf "$LAB/gw1/state" && mkdir "$LAB/gw1/state"
cat >"$LAB/gw1/egressd.yaml" <<YAML
version: 1
node: {name: gw1, labels: {role: gateway}}
policy_file: $LAB/gw1/policy.yaml
workloads: {directory: $LAB/gw1/workloads.d}
YAML
on gw2 ip link set up0 down
standard_policy >"$LAB/gw1/policy.yaml"
start gw1
eventually 20 "policy file in force at start" in_force_everywhere
leaves_with a1 $SERVER4 $EGRESS4
leaves_with a1 $SERVER6 $EGRESS6
pass
