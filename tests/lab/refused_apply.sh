#!/bin/bash
# The kernel refuses an apply half-way (an IPv6 egress address on a device where IPv6 is disabled): the old state stays in force, exit 1, in the kernel's words.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
on gw1 sysctl -qw net.ipv6.conf.up0.disable_ipv6=1
start_cluster
policy() {
  cat <<YAML
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]$1}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public, interface: up0}}
policies:
  selected: {from: {cidr: [172.17.0.2, "fd00:17::2"]}, egress_ip: $2}
YAML
}
policy "" 203.0.113.100 | apply gw1
leaves_with a1 $SERVER4 203.0.113.100
look() { on gw1 nft -s list ruleset; on gw1 ip rule; on gw1 ip address; on gw1 ip route show table all; status gw1 '[d["policy"], [[i["ip"], i["node"], i["state"], i["policies"]] for i in d["egress_ips"]]]'; }
look >"$LAB/before"
policy ', ipv6: ["2001:db8:1::100/124"]' '{ipv4: 203.0.113.105, ipv6: "2001:db8:1::105"}' >"$LAB/refused.yaml"
code=0
ctl gw1 apply -f "$LAB/refused.yaml" >"$LAB/out" 2>&1 || code=$?
cat "$LAB/out"
equal "exit code" 1 $code
grep -qi "IPv6 is disabled\|permission denied\|operation not" "$LAB/out" || fail "the kernel's words are missing"
look >"$LAB/after"
diff "$LAB/before" "$LAB/after" || fail "the old state is not in force"
leaves_with a1 $SERVER4 203.0.113.100
say "and it is taken once the kernel agrees"
on gw1 sysctl -qw net.ipv6.conf.up0.disable_ipv6=0
ip -n gw1 address add 2001:db8:1::b/64 dev up0 nodad
ip -n gw1 -6 route replace default via 2001:db8:1::fe
apply gw1 <"$LAB/refused.yaml"
leaves_with a1 $SERVER4 203.0.113.105
leaves_with a1 $SERVER6 2001:db8:1::105
pass
