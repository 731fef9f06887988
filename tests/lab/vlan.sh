#!/bin/bash
# A pool in a VLAN of its own: the node makes the VLAN device on its uplink, what has the egress IP leaves tagged and by the router of that VLAN,
# answers come back by ARP and neighbour discovery there; a device that somebody removes is put back, and goes with the pool. On one node, which
# is source and gateway; in a Debian kernel under qemu where this one has no 8021q.
. "$(dirname "$0")/vm.sh"
vm_wanted 8021q
. "$(dirname "$0")/lab.sh"
vm_enter 8021q
LAB_RP_FILTER=1
network under
network uplink
outside
gateway_node gw1 11
docker_bridge gw1
workload a1 gw1 2
# The router of VLAN 100, on the same cable as the ordinary uplink; it hears nothing that is untagged.
host tagged
plug tagged up0 uplink
plug tagged under0 under 10.0.0.33/24 fd00:a::33/64
ip -n tagged link add link up0 name v100 type vlan id 100
ip -n tagged address add 192.0.23.1/24 dev v100
ip -n tagged address add 2001:db8:a3::1/64 dev v100 nodad
ip -n tagged link set v100 up
on tagged sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n tagged route add default via 10.0.0.254
ip -n tagged -6 route add default via fd00:a::fe
ip -n outside route add 192.0.23.0/24 via 10.0.0.33
ip -n outside -6 route add 2001:db8:a3::/64 via fd00:a::33
cat >"$LAB/gw1/egressd.yaml" <<YAML
version: 1
node: {name: gw1, labels: {role: gateway}, address: ${UNDERLAY[gw1]}}
workloads: {directory: $LAB/gw1/workloads.d}
policy_file: $LAB/gw1/policy.yaml
YAML
start gw1
answers_ctl() { ctl gw1 status >/dev/null || (($? == 1)); }
eventually 60 "the daemon answers" answers_ctl
vlan_policy() {
  cat <<'YAML'
version: 1
workloads:
  a: {addresses: [172.17.0.2, "fd00:17::2"], labels: {app: selected}}
pools:
  third:
    ipv4: [192.0.23.100]
    ipv6: ["2001:db8:a3::100"]
    subnet: {gateway: {ipv4: 192.0.23.1, ipv6: "2001:db8:a3::1"}, prefix: {ipv4: 24, ipv6: 64}, vlan: 100}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: third}
policies:
  selected: {from: {labels: {app: selected}}, to: external, egress_ip: {ipv4: 192.0.23.100, ipv6: "2001:db8:a3::100"}}
YAML
}
vlan_policy | apply gw1
equal "the device" "vlan protocol 802.1Q id 100" "$(ip -n gw1 -d link show eg100-up0 | grep -oE 'vlan protocol 802.1Q id 100')"
equal "its alias" "alias egressd" "$(ip -n gw1 link show eg100-up0 | grep -oE 'alias egressd')"
equal "addresses on it" "192.0.23.100/32 2001:db8:a3::100/128" "$(ip -n gw1 -o address show dev eg100-up0 scope global | awk '{ print $4 }' | xargs)"
usable() { ip -n gw1 -6 address show dev eg100-up0 scope link | grep -q inet6 && ! ip -n gw1 -6 address show dev eg100-up0 tentative | grep -q inet6; }
eventually 10 "its link-local address may be used" usable
leaves_with a1 $SERVER4 192.0.23.100
leaves_with a1 $SERVER6 2001:db8:a3::100
equal "how it came outside" under0 "$(outside_says devices udp $SERVER6)"
equal "path, as explained" "dev eg100-up0 via 192.0.23.1" "$(ctl gw1 explain 172.17.0.2 $SERVER4:443/tcp | grep -oE 'dev eg100-up0 via 192.0.23.1')"
say "what the node sends itself leaves untagged"
forget
on gw1 $PYTHON "$PROBE" talk udp $OTHER4 >/dev/null
equal "by device" up0 "$(outside_says devices udp $OTHER4)"
before=$(corrections gw1)
ip -n gw1 link delete eg100-up0
eventually 10 "the device is put back" corrected_since gw1 "$before"
eventually 10 "its link-local address may be used" usable
leaves_with a1 $SERVER4 192.0.23.100
leaves_with a1 $SERVER6 2001:db8:a3::100
say "the uplink's cable is out for a while"
ip -n uplink link set gw1 down
eventually 10 "the egress IP is nobody's" is "" holder gw1 192.0.23.100
ip -n uplink link set gw1 up
eventually 10 "and is held again" is gw1 holder gw1 192.0.23.100
eventually 10 "answers" talk a1 udp $SERVER4
say "the pool leaves its VLAN"
sed 's/, vlan: 100//' "$LAB/applied.yaml" >"$LAB/untagged.yaml"
ctl gw1 apply -f "$LAB/untagged.yaml" >/dev/null || fail "apply"
gone() { ! ip -n gw1 link show eg100-up0 2>/dev/null; }
eventually 10 "the device has gone" gone
untagged() { ip -n gw1 address show dev up0 | grep -q 192.0.23.100/32; }
eventually 10 "the address is on the uplink" untagged
pass
