#!/bin/bash
# Two hosts have the same container network and the same container address: each container keeps its own egress IP, or shares one without mixing up.
. "$(dirname "$0")/lab.sh"
lab_cluster 2 1
start_cluster
apply src1 <<'YAML'
version: 1
workloads:
  first: {addresses: [172.17.0.2], labels: {app: first}, node: src1}
  second: {addresses: [172.17.0.2], labels: {app: second}, node: src2}
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  first: {from: {labels: {app: first}}, to: external, egress_ip: 203.0.113.100}
  second: {from: {labels: {app: second}}, to: external, egress_ip: 203.0.113.101}
YAML
leaves_with a1 $SERVER4 203.0.113.100
leaves_with a2 $SERVER4 203.0.113.101

apply src2 <<'YAML'
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  all: {from: {cidr: [172.17.0.2]}, to: external, egress_ip: 203.0.113.105}
YAML
say "both at once, from the same address and the same port"
forget
stream one a1 $SERVER4 3 500 5555
stream two a2 $SERVER4 3 500 5555
for name in one two; do
  stream_end $name
  equal "stream $name: lost, answers of the other" "[0, 0]" "$(streamed $name '[d["lost"], d["foreign"]]')"
done
equal "the outside host saw" 203.0.113.105 "$(sources udp $SERVER4)"
pass
