#!/bin/bash
# on_no_gateway: without any gateway a policy's connections are dropped, or go out directly where the policy says so; and leave with the egress IP again.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
start_cluster
policy() {
  cat <<YAML
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public, restart_grace: 1s}}
policies:
  strict: {from: {cidr: [172.17.0.2]}, egress_ip: 203.0.113.100}
  loose: {from: {cidr: [172.17.0.3]}, egress_ip: 203.0.113.101, on_no_gateway: direct}
YAML
}
policy | apply src1
leaves_with a1 $SERVER4 203.0.113.100
leaves_with b1 $OTHER4 203.0.113.101
ip -n under link set gw1 down
ip -n uplink link set gw1 down
kill_node gw1
eventually 20 "src1 sees that nobody is left" status src1 '1 / all(i["state"] == "unassigned" for i in d["egress_ips"])'
forget
talk a1 udp $SERVER4 >/dev/null 2>&1 && fail "a strict policy's connection got out"
equal "strict" "" "$(sources udp $SERVER4)"
eventually 5 "loose goes out directly" is 10.0.0.1 talk b1 udp $OTHER4
ip -n under link set gw1 up
ip -n uplink link set gw1 up
start gw1
eventually 30 "in force again" in_force_everywhere
leaves_with a1 $SERVER4 203.0.113.100
leaves_with b1 $OTHER4 203.0.113.101
pass
