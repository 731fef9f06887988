#!/bin/bash
# An IPv6-only policy over an IPv4 underlay; the workload's IPv4 is not selected and goes its old way.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
for name in src1 gw1 gw2; do ip -n $name -6 address flush dev under0 scope global; done
ip -n src1 -6 route flush default
start_cluster
apply src1 <<'YAML'
version: 1
pools: {six: {ipv6: ["2001:db8:1::100/124"]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: six}}
policies:
  six: {from: {cidr: ["fd00:17::2"]}, to: external, egress_ip: "2001:db8:1::105"}
YAML
on src1 ip -d link show egressd0 | grep -c 'local 10.0.0.1 ' >/dev/null || fail "the tunnel does not use the IPv4 underlay"
leaves_with a1 $SERVER6 2001:db8:1::105
leaves_with a1 $OTHER4 10.0.0.1
pass
