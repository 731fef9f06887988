#!/bin/bash
# What a policy decides about a packet: ports, exceptions, internal destinations, order, direct, drop, disabled; each seen from outside.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
start_cluster
policy() {
  cat <<YAML
version: 1
internal: [198.51.100.8/32]
destinations: {only: [198.51.100.7]}
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  selected:
    from: {cidr: [172.17.0.0/24]}
    egress_ip: 203.0.113.100
    $1
$2
YAML
}
udp() { forget; talk a1 udp "$1" >/dev/null 2>&1 || true; sources udp "$1"; }
tcp() { forget; talk a1 tcp "$1" >/dev/null 2>&1 || true; sources tcp "$1"; }

policy "to: external" "" | apply src1
equal "external" 203.0.113.100 "$(udp $SERVER4)"
equal "declared internal" 10.0.0.1 "$(udp $OTHER4)"
policy "to: any" "" | apply src1
equal "any, declared internal" 203.0.113.100 "$(udp $OTHER4)"
policy 'to: ["@only"]' "" | apply src1
equal "in the destination set" 203.0.113.100 "$(udp $SERVER4)"
equal "not in the destination set" 10.0.0.1 "$(udp $OTHER4)"
policy "except: [198.51.100.0/29]" "" | apply src1
equal "in the exception" 10.0.0.1 "$(udp $SERVER4)"
policy "ports: [tcp/9000]" "" | apply src1
equal "the port over TCP" 203.0.113.100 "$(tcp $SERVER4)"
equal "the port over UDP" 10.0.0.1 "$(udp $SERVER4)"
policy "ports: [udp/8900-9100]" "" | apply src1
equal "the range over UDP" 203.0.113.100 "$(udp $SERVER4)"
policy "priority: 1000" "  first: {from: {cidr: [172.17.0.2]}, to: [198.51.100.7], action: direct, priority: 10}" | apply src1
equal "a direct policy before it" 10.0.0.1 "$(udp $SERVER4)"
policy "priority: 1000" "  first: {from: {cidr: [172.17.0.2]}, to: [198.51.100.7], action: drop, priority: 10}" | apply src1
equal "a drop policy before it" "" "$(udp $SERVER4)"
policy "priority: 1000" "  first: {from: {cidr: [172.17.0.2]}, to: [198.51.100.7], action: drop, priority: 10, enabled: false}" | apply src1
equal "a disabled drop policy before it" 203.0.113.100 "$(udp $SERVER4)"
policy "priority: 1000" "  first: {from: {interface: docker0}, egress_ip: 203.0.113.101, priority: 10}" | apply src1
equal "by interface" 203.0.113.101 "$(udp $SERVER4)"
policy "egress_ip: auto" "" | sed '/egress_ip: 203/d' | apply src1
equal "an automatic egress IP" "$(status src1 'd["policies"][0]["egress_ips"][0]')" "$(udp $SERVER4)"
policy "egress_ip: default" "" | sed '/egress_ip: 203/d' | apply src1
equal "the gateway's default IP" 203.0.113.100 "$(udp $SERVER4)"
policy "egress_ip: node" "" | sed '/egress_ip: 203/d' | apply src1
equal "the gateway node's own address" 203.0.113.11 "$(udp $SERVER4)"
pass
