#!/bin/bash
# Pools in networks of their own: two subnets on the gateways' uplink cable, each with a router of its own that no route of the gateways knows.
# What leaves with an egress IP leaves by its router, from the first packet on and over a failover; answers come back by ARP and neighbour
# discovery in its subnet, in which the gateways have no address; what has none of these egress IPs keeps the host's routes.
LAB_RP_FILTER=1   # of the routers too: they answer ARP only where they would send the answer
. "$(dirname "$0")/lab.sh"
lab_cluster 2 2
# router NAME NUMBER: 192.0.2NUMBER.1/24 and 2001:db8:a<NUMBER>::1/64 towards the gateways, and a way to the servers outside
router() {
  host "$1"
  on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  plug "$1" up0 uplink "192.0.2$2.1/24" "2001:db8:a$2::1/64"
  plug "$1" under0 under "10.0.0.3$2/24" "fd00:a::3$2/64"
  ip -n "$1" route add default via 10.0.0.254
  ip -n "$1" -6 route add default via fd00:a::fe
  ip -n outside route add "192.0.2$2.0/24" via "10.0.0.3$2"
  ip -n outside -6 route add "2001:db8:a$2::/64" via "fd00:a::3$2"
  on "$1" nft -f - <<NFT
table inet seen {
  counter forth { }
  counter back { }
  counter foreign { }
  chain forward {
    type filter hook forward priority 0
    iifname up0 counter name forth
    oifname up0 counter name back
    iifname up0 ip saddr != 192.0.2$2.100 counter name foreign
    iifname up0 ip6 saddr != 2001:db8:a$2::100 counter name foreign
  }
}
NFT
}
router r3 3
router r4 4
NODES=(src1 src2 gw1 gw2)
start_cluster
subnets_policy() {
  cat <<'YAML'
version: 1
workloads:
  a: {addresses: [172.17.0.2, "fd00:17::2"], labels: {app: selected}}
  b: {addresses: [172.17.0.3, "fd00:17::3"], labels: {app: other}}
pools:
  third: {ipv4: [192.0.23.100], ipv6: ["2001:db8:a3::100"], subnet: {gateway: {ipv4: 192.0.23.1, ipv6: "2001:db8:a3::1"}, prefix: {ipv4: 24, ipv6: 64}}}
  fourth: {ipv4: [192.0.24.100], ipv6: ["2001:db8:a4::100"], subnet: {gateway: {ipv4: 192.0.24.1, ipv6: "2001:db8:a4::1"}, prefix: {ipv4: 24, ipv6: 64}}}
  public: {ipv4: [203.0.113.100]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: [third, fourth, public]}
policies:
  near: {priority: 1, from: {labels: {app: selected}, node: src1}, to: external, egress_ip: {ipv4: 192.0.23.100, ipv6: "2001:db8:a3::100"}}
  far: {priority: 2, from: {labels: {app: selected}, node: src2}, to: external, egress_ip: {ipv4: 192.0.24.100, ipv6: "2001:db8:a4::100"}}
  plain: {priority: 3, from: {labels: {app: other}}, to: external, egress_ip: {ipv4: 203.0.113.100}}
YAML
}
subnets_policy | apply src1
packets() { on "$1" nft list counter inet seen "$2" | awk '/packets/ { print $2 }'; }
# by ROUTER WORKLOAD SERVER EGRESS: there and back by this router
by() {
  local forth=$(packets "$1" forth) back=$(packets "$1" back)
  leaves_with "$2" "$3" "$4"
  (($(packets "$1" forth) > forth && $(packets "$1" back) > back)) || fail "$4 does not leave and return by $1"
}
nothing_foreign() { equal "packets at the routers with an egress IP that is not theirs" "0 0" "$(packets r3 foreign) $(packets r4 foreign)"; }
everything() {
  by r3 a1 $SERVER4 192.0.23.100
  by r3 a1 $SERVER6 2001:db8:a3::100
  by r4 a2 $SERVER4 192.0.24.100
  by r4 a2 $SERVER6 2001:db8:a4::100
  leaves_with b1 $OTHER4 203.0.113.100
  nothing_foreign
}
everything
say "the way is told"
holder=$(holder src1 192.0.23.100)
ctl src1 explain 172.17.0.2 $SERVER4:443/tcp | grep -q "leaves via 192.0.23.1" || fail "explain on the source node does not name the router"
say "what a gateway sends itself keeps its route"
on gw1 $PYTHON "$PROBE" talk udp $OTHER4 >/dev/null || fail "gw1 itself has no way out"
nothing_foreign
say "a neighbour in the subnet, without any route, is reached without the router"
host n3
plug n3 up0 uplink 192.0.23.50/24
on n3 $PYTHON -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 5555))
data, source = s.recvfrom(10); s.sendto(source[0].encode(), source)' &
forth=$(packets r3 forth)
asked() {
  on a1 $PYTHON -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
s.sendto(b"x", ("192.0.23.50", 5555)); print(s.recv(100).decode())' 2>/dev/null
}
eventually 10 "it answers, and sees 192.0.23.100" is 192.0.23.100 asked
equal "packets by the router" "$forth" "$(packets r3 forth)"
say "$holder dies"
other=$([[ $holder == gw1 ]] && echo gw2 || echo gw1)
ip -n under link set "$holder" down
ip -n uplink link set "$holder" down
kill_node "$holder"
for address in 192.0.23.100 2001:db8:a3::100 192.0.24.100 2001:db8:a4::100 203.0.113.100; do
  eventually 15 "$other holds $address" is "$other" holder src1 $address
done
eventually 5 "answers" talk a1 udp $SERVER4
everything
say "a route that somebody removes is put back"
table=$(on "$other" ip route show table all | sed -nE 's/^default via 192\.0\.23\.1 .* table ([0-9]+).*/\1/p' | head -1)
[[ -n $table ]] || fail "no table with the router of the subnet on $other"
on "$other" ip route flush table "$table"
back() { on "$other" ip route show table "$table" | grep -q "default via 192.0.23.1 "; }
eventually 5 "the route is back" back
by r3 a1 $SERVER4 192.0.23.100
say "the pools leave their subnets: tables and routes go"
sed '/^  third:\|^  fourth:/d; s/pool: \[third, fourth, public\]/pool: public/; /^  near:\|^  far:/d' "$LAB/applied.yaml" >"$LAB/without.yaml"
ctl src1 apply -f "$LAB/without.yaml" >/dev/null || fail "apply"
gone() { ! on "$other" ip rule | grep -q "lookup $table"; }
eventually 10 "the rule has gone" gone
equal "routes in the table" "" "$(on "$other" ip route show table "$table" 2>/dev/null)"
leaves_with b1 $OTHER4 203.0.113.100
pass
