#!/bin/bash
# Which address a policy leaves with: the gateway's default, a gateway node's own, the workload's own node's, the egress IP next door, one of a list.
# And what an edit of the pool does to them.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
for n in 1 2; do
  docker_bridge "gw$n"
  workload "c$n" "gw$n" 2
  masquerade "gw$n"
done
start_cluster
# policy POOL <policies, one a line>
policy() {
  cat <<YAML
version: 1
pools: {public: {ipv4: [$1], ipv6: ["2001:db8:1::100-2001:db8:1::109"]}}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public, default_ip: {ipv4: 203.0.113.105}}
policies:
YAML
  sed 's/^/  /'
}
whole=203.0.113.100-203.0.113.109

say "default: shared by two policies"
policy $whole <<'YAML' | apply src1
one: {from: {cidr: [172.17.0.2, "fd00:17::2"]}, egress_ip: default}
two: {from: {cidr: [172.17.0.3]}, egress_ip: default}
YAML
leaves_with a1 $SERVER4 203.0.113.105
leaves_with b1 $OTHER4 203.0.113.105
leaves_with a1 $SERVER6 2001:db8:1::100
equal "policies of 203.0.113.105" '["one", "two"]' "$(ctl src1 get ips 203.0.113.105 -o json | $PYTHON "$PROBE" json 'd["items"][0]["policies"]')"
equal "used addresses of the pool" '[1, 10]' "$(ctl src1 get gateways edge -o json | $PYTHON "$PROBE" json '[d["items"][0]["usage"]["ipv4"][k] for k in ("used", "total")]')"

say "self: straight out of the workload's own node"
policy $whole <<'YAML' | apply src1
own: {from: {cidr: [172.17.0.2, "fd00:17::2"]}, gateway: self}
YAML
leaves_with a1 $SERVER4 10.0.0.1
leaves_with a1 $SERVER6 fd00:a::1
leaves_with c2 $SERVER4 203.0.113.12
equal "egress IPs held" '[]' "$(status src1 'd["egress_ips"]')"
equal "explain" '["self", "src1"]' "$(ctl src1 explain 172.17.0.2 $SERVER4:443 -o json | $PYTHON "$PROBE" json '[d["gateway"], d["node"]]')"

say "node: the address of the gateway node, its own for its own workloads"
policy $whole <<'YAML' | apply src1
node: {from: {cidr: [172.17.0.2, "fd00:17::2"]}, egress_ip: node}
YAML
for n in 1 2; do leaves_with c$n $SERVER4 203.0.113.1$n; done
seen=$(talk a1 udp $SERVER4)
[[ $seen == 203.0.113.1[12] ]] || fail "a1 leaves with $seen"
leaves_with a1 $SERVER4 "$seen"
victim=gw${seen: -1} other=gw$((3 - ${seen: -1}))
say "$victim dies"
ip -n under link set "$victim" down
ip -n uplink link set "$victim" down
kill_node "$victim"
eventually 10 "a1 leaves with the address of $other" is 203.0.113.1${other#gw} talk a1 udp $SERVER4
leaves_with a1 $SERVER4 203.0.113.1${other#gw}
ip -n under link set "$victim" up
ip -n uplink link set "$victim" up
start "$victim"
eventually 30 "every node sees every other" alive_everywhere
leaves_with a1 $SERVER4 203.0.113.1${other#gw}   # its return moves nobody

say "prefer: local, of a list"
policy $whole <<'YAML' | apply src1
near: {from: {cidr: [172.17.0.2]}, egress_ip: [203.0.113.101, 203.0.113.102], prefer: local, spread: flow}
YAML
equal "nodes of the two" '["gw1", "gw2"]' "$(status src1 'sorted(i["node"] for i in d["egress_ips"])')"
for n in 1 2; do
  local_ip=$(status src1 "[i['ip'] for i in d['egress_ips'] if i['node'] == 'gw$n'][0]")
  for try in 1 2; do leaves_with c$n $SERVER4 "$local_ip"; done
done
forget
for try in 1 2; do talk a1 udp $SERVER4 >/dev/null; done
equal "a1, whose node holds none, uses both" "203.0.113.101 203.0.113.102" "$(sources udp $SERVER4 | tr '\n' ' ' | sed 's/ *$//')"

say "an egress IP that is in use leaves the pool"
policy $whole <<'YAML' | apply src1
web: {from: {cidr: [172.17.0.2]}, egress_ip: auto}
YAML
leaves_with a1 $SERVER4 203.0.113.100
policy 203.0.113.99-203.0.113.109 <<'YAML' | apply src1
web: {from: {cidr: [172.17.0.2]}, egress_ip: auto}
YAML
leaves_with a1 $SERVER4 203.0.113.100   # one more in front of it does not matter
policy 203.0.113.101-203.0.113.109 <<'YAML' >"$LAB/smaller.yaml"
web: {from: {cidr: [172.17.0.2]}, egress_ip: auto}
YAML
ctl src1 diff -f "$LAB/smaller.yaml" >"$LAB/diff.out" 2>&1 || equal "exit code of diff" 1 $?
grep -q '203.0.113.100 is in use by policy web' "$LAB/diff.out" || { cat "$LAB/diff.out"; fail "diff does not warn"; }
grep -q 'egress IP 203.0.113.101: policy web, was 203.0.113.100' "$LAB/diff.out" || { cat "$LAB/diff.out"; fail "diff does not tell the effect"; }
apply src1 <"$LAB/smaller.yaml"
grep -q 'W322' "$LAB/apply.out" || { cat "$LAB/apply.out"; fail "apply does not warn"; }
leaves_with a1 $SERVER4 203.0.113.101
sed 's/egress_ip: auto/egress_ip: 203.0.113.100/' "$LAB/smaller.yaml" >"$LAB/wrong.yaml"
if ctl src1 apply -f "$LAB/wrong.yaml" >"$LAB/wrong.out" 2>&1; then fail "an address outside of the pool was accepted"; fi
grep -q 'E212' "$LAB/wrong.out" || { cat "$LAB/wrong.out"; fail "no E212"; }
pass
