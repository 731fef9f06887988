#!/bin/bash
# `announce: bgp`: the egress IPs lie in no network of anybody; FRR on the gateways (with config/frr.conf) tells the router outside who has them.
# Real packets come and go by the learned route, over a drain without loss, the death of a daemon and the loss of a gateway's power; nobody hears
# of the egress IPs by ARP or neighbour discovery.
. "$(dirname "$0")/frr.sh"
LAB_PACKAGES=$(frr_missing)
. "$(dirname "$0")/lab.sh"
frr_needed
. "$LAB_DIR/traffic.sh"
lab_cluster 1 2
ROUTED4=192.0.2.10 ROUTED6=2001:db8:2::10
frr_router outside <<'CONF'
router bgp 65000
 bgp router-id 203.0.113.254
 no bgp ebgp-requires-policy
 neighbor 203.0.113.11 remote-as 65010
 neighbor 203.0.113.12 remote-as 65010
 neighbor 2001:db8:1::11 remote-as 65010
 neighbor 2001:db8:1::12 remote-as 65010
 address-family ipv4 unicast
  no neighbor 2001:db8:1::11 activate
  no neighbor 2001:db8:1::12 activate
  maximum-paths 1
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:1::11 activate
  neighbor 2001:db8:1::12 activate
  maximum-paths 1
 exit-address-family
CONF
for name in gw1 gw2; do frr_router $name <"$LAB_TOP/config/frr.conf"; done
start_cluster
# Who asks or tells who has an egress IP is counted on the wire.
on outside nft -f - <<NFT
table arp heard {
  counter about { }
  chain in { type filter hook input priority 0; arp saddr ip $ROUTED4 counter name about; arp daddr ip $ROUTED4 counter name about; }
}
table inet heard {
  counter about { }
  chain in { type filter hook input priority 0; icmpv6 type { nd-neighbor-advert, nd-neighbor-solicit } @th,64,128 0x20010db8000200000000000000000010 counter name about; }
}
NFT
heard() { on outside nft list counter "$1" heard about | awk '/packets/ { print $2 }'; }
# learned FAMILY ADDRESS: through which gateway the router outside sends, by its kernel's table
learned() {
  local next_hop name
  next_hop=$(ip -n outside -o "-$1" route show "$2" proto bgp | sed -nE 's,.* via ([^ ]+) .*,\1,p')
  for name in gw1 gw2; do
    [[ -n $next_hop ]] && ip -n $name -o address show dev up0 | grep -qF " $next_hop/" && echo $name
  done
  true
}
routed_to() { is "$1" learned 4 $ROUTED4 && is "$1" learned 6 $ROUTED6; }
other_than() { [[ $1 == gw1 ]] && echo gw2 || echo gw1; }
routed_policy() {
  standard_policy | sed "s/$EGRESS4-203.0.113.109/$ROUTED4-192.0.2.19/; s/$EGRESS6-2001:db8:1::109/$ROUTED6-2001:db8:2::19/
    s/$EGRESS4/$ROUTED4/; s/$EGRESS6/$ROUTED6/; s/  edge: {default: true,/& announce: bgp, restart_grace: 4s,/"
}
routed_policy | apply src1
holder=$(holder src1 $ROUTED4)
[[ $(holder src1 $ROUTED6) == "$holder" ]] || { ctl src1 move $ROUTED6 "$holder"; eventually 15 "both on $holder" is "$holder" holder src1 $ROUTED6; }
eventually 20 "the router outside learns both addresses from $holder" routed_to "$holder"
equal "what else it learns" "$ROUTED4" "$(ip -n outside route show proto bgp | awk '{ print $1 }')"
equal "what else it learns" "$ROUTED6" "$(ip -n outside -6 route show proto bgp | awk '{ print $1 }')"
leaves_with a1 $SERVER4 $ROUTED4
leaves_with a1 $SERVER6 $ROUTED6

other=$(other_than "$holder")
say "$holder is drained"
pair_begin a1 $SERVER4 1000
ctl src1 drain "$holder" || fail "egressctl drain $holder"
eventually 15 "the router outside follows to $other" routed_to "$other"
pair_lossless "drain"
ctl src1 undrain "$holder"
leaves_with a1 $SERVER4 $ROUTED4
leaves_with a1 $SERVER6 $ROUTED6

say "the daemon of $other dies: its kernel ends the hold, and with it the route"
kill_node "$other"
equal "who has it, at first" "$other" "$(learned 4 $ROUTED4)"
talk a1 udp $SERVER4 >/dev/null || fail "the kernel does not go on by itself"
eventually 15 "the router outside follows to $holder" routed_to "$holder"
gone() { ! ip -n "$other" -o address | grep -qE " ($ROUTED4|$ROUTED6)/"; }
eventually 6 "the addresses have gone from $other" gone
eventually 5 "answers" talk a1 udp $SERVER4
leaves_with a1 $SERVER4 $ROUTED4
leaves_with a1 $SERVER6 $ROUTED6
start "$other"
eventually 30 "in force on every node" in_force_everywhere

say "$holder loses its power"
ip -n under link set "$holder" down
ip -n uplink link set "$holder" down
kill_node "$holder"
frr_power_off "$holder"
eventually 15 "the router outside follows to $other" routed_to "$other"
eventually 5 "answers" talk a1 udp $SERVER4
leaves_with a1 $SERVER4 $ROUTED4
leaves_with a1 $SERVER6 $ROUTED6

equal "ARP about $ROUTED4 on the uplink" 0 "$(heard arp)"
equal "neighbour discovery about $ROUTED6 on the uplink" 0 "$(heard inet)"
say "the policy goes, and so do the routes"
sed 's/^    from: .*/&\n    enabled: false/' "$LAB/applied.yaml" >"$LAB/without.yaml"
ctl src1 apply -f "$LAB/without.yaml" >/dev/null || fail "apply without the policy"
withdrawn() { is "" learned 4 $ROUTED4 && is "" learned 6 $ROUTED6; }
eventually 10 "withdrawn" withdrawn
pass
