#!/bin/bash
# `source: preserve` and `action: route`: the gateway sees the workload's own address and routes replies back to its node; a network that two nodes have
# is refused to the later one; connections of both kinds outlive their gateway.
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
lab_cluster 2 2
# c2 is behind src2 in a network that no other node has; a1 and a2 have the same address in the same network.
ip -n src2 link add br30 type bridge mcast_snooping 0
ip -n src2 address add 172.30.0.1/16 dev br30
ip -n src2 address add fd00:30::1/64 dev br30 nodad
ip -n src2 link set br30 up
host c2
ip link add eth0 netns c2 type veth peer name c2 netns src2
ip -n src2 link set c2 master br30 up
ip -n c2 address add 172.30.0.2/16 dev eth0
ip -n c2 address add fd00:30::2/64 dev eth0 nodad
ip -n c2 link set eth0 up
ip -n c2 route add default via 172.30.0.1
ip -n c2 -6 route add default via fd00:30::1
# A container network of the engine that would translate, as Docker does for its own.
on src2 nft add rule ip docker_like postrouting ip saddr 172.30.0.0/16 oifname != br30 masquerade
ROUTE4=203.0.113.101 ROUTE6=2001:db8:1::101
ip -n outside route add 172.30.0.0/16 via $ROUTE4
ip -n outside -6 route add fd00:30::/64 via $ROUTE6
# Gateways that translate whatever leaves, as many do, and count what comes out of the tunnel.
for gateway in gw1 gw2; do
  on $gateway nft -f - <<'NFT'
table inet site {
  counter own4 {}
  counter own6 {}
  counter tunnel {}
  chain forward {
    type filter hook forward priority 0;
    iifname "egressd0" ip saddr { 172.17.0.2, 172.30.0.2 } counter name own4
    iifname "egressd0" ip6 saddr { fd00:17::2, fd00:30::2 } counter name own6
    iifname "egressd0" ip saddr 198.19.0.0/16 counter name tunnel
  }
  chain postrouting { type nat hook postrouting priority srcnat; oifname "up0" masquerade; }
}
NFT
done
start_cluster
policy() {  # policy NODE: whose 172.17.0.0/16 keeps its address; empty = everybody's
  cat <<YAML
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109], ipv6: ["2001:db8:1::100-2001:db8:1::109"]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  kept:
    from: {cidr: [172.17.0.2, "fd00:17::2"]${1:+, node: $1}}
    source: preserve
    egress_ip: {ipv4: 203.0.113.100, ipv6: "2001:db8:1::100"}
  routed:
    from: {cidr: [172.30.0.0/16, "fd00:30::/64"]}
    action: route
    egress_ip: {ipv4: $ROUTE4, ipv6: "$ROUTE6"}
YAML
}
policy src1 | apply src1
explains() {  # explains NODE SOURCE WORDS: among what it says of a connection to the server
  local said
  said=$(ctl "$1" explain "$2" $SERVER4) || true
  [[ $said == *"$3"* ]] || { printf '%s\n' "$said"; fail "explain of $2 on $1 does not say: $3"; }
}
passed() { local gateway sum=0; for gateway in gw1 gw2; do [[ -z ${DAEMON[$gateway]:-} ]] || sum=$((sum + $(on $gateway nft list counter inet site "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'))); done; echo $sum; }
home() { ip -n "$1" route show table 26255 | wc -l; }
for gateway in gw1 gw2; do eventually 5 "$gateway routes both networks back" is 2 home $gateway; done
leaves_with a1 $SERVER4 $EGRESS4
leaves_with a1 $SERVER6 $EGRESS6
leaves_with c2 $SERVER4 172.30.0.2
leaves_with c2 $SERVER6 fd00:30::2
(($(passed own4) > 0 && $(passed own6) > 0)) || fail "the gateways have not seen the workloads' own addresses"
equal "packets with a tunnel address at the gateways" 0 "$(passed tunnel)"
explains src1 172.17.0.2 "source stays 172.17.0.2"
explains src2 172.30.0.2 "sees 172.30.0.2"
equal "source, as the status says" '["preserve", "preserve"]' "$(status src1 '[p["source"] for p in d["policies"]]')"

say "another node has the same network, and the same address in it"
policy "" | apply src1
health() { status "$1" '[[h["code"], h["object"]] for h in d["health"] if h["code"] in ("E107", "W114")]'; }
eventually 5 "src2 is refused" is '[["E107", "172.17.0.2/32"], ["E107", "fd00:17::2/128"]]' health src2
equal "src1 says so of src2" '[["W114", "172.17.0.2/32"], ["W114", "fd00:17::2/128"]]' "$(health src1)"
forget
if answer=$(talk a2 udp $SERVER4 2>/dev/null); then fail "a2 was answered: $answer"; fi
equal "packets of a2 outside" "" "$(sources udp $SERVER4)"
explains src2 172.17.0.2 "in no network of this node that is its alone"
leaves_with a1 $SERVER4 $EGRESS4
leaves_with c2 $SERVER4 172.30.0.2
policy src1 | apply src1
eventually 5 "nothing is refused" is '[]' health src2

say "connections of both kinds outlive their gateway"
holder=$(holder src1 $EGRESS4)
other=$([[ $holder == gw1 ]] && echo gw2 || echo gw1)
[[ $(holder src1 $ROUTE4) == "$holder" ]] || ctl src1 move $ROUTE4 "$holder" >/dev/null
eventually 10 "$holder holds both" is "$holder" holder src1 $ROUTE4
flows_server $SERVER4
forget
flows_open kept a1 $SERVER4 150 30 20000
flows_open routed c2 $SERVER4 150 30 20000   # the same ports
for name in kept routed; do ask $name mark >/dev/null; done
for name in kept routed; do equal "before: $name" "[150, 30]" "$(counted '[d["tcp_alive"], d["udp_alive"]]' $name verdict 20)"; done
cuttable under uplink
for name in kept routed; do ask $name mark >/dev/null; done
power_loss "$holder"
for name in kept routed; do ask $name struck >/dev/null; done
eventually 15 "$other holds $EGRESS4" is "$other" holder src1 $EGRESS4
eventually 15 "$other holds $ROUTE4" is "$other" holder src1 $ROUTE4
for name in kept routed; do equal "after: $name" "[150, 30]" "$(counted '[d["tcp_alive"], d["udp_alive"]]' $name verdict 20)"; done
equal "sources outside, tcp" "172.30.0.2 $EGRESS4" "$(sources tcp $SERVER4 | tr ' ' '\n' | sort | xargs)"
equal "sources outside, udp" "172.30.0.2 $EGRESS4" "$(sources udp $SERVER4 | tr ' ' '\n' | sort | xargs)"
dismiss kept routed

say "without such policies nothing of it is left"
standard_policy | ctl src1 apply -f - >/dev/null
eventually 10 "$other routes nothing back" is 0 home "$other"
leaves_with a1 $OTHER4 $EGRESS4   # the other server still sees the ends of c2's connections, which nothing translates now
pass
