#!/bin/bash
# What somebody else removes is put back within 200 ms, counted in status; what is not egressd's stays removed.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
start_cluster
standard_policy | apply src1
talk a1 udp $SERVER4 >/dev/null

# The kernel objects in an order of their own; one process looks at all, so that looking takes little of what is measured. The set `awake` is
# empty but for the second after a commit was announced.
cat >"$LAB/look" <<BASH
nft -s list table inet egressd 2>/dev/null | sed '/set awake {/,/^\t}/d' | tr -s ' ,{}\n\t' '\n' | sort
ip rule | sort
ip -6 rule | sort
ip route show table all | grep -v '^broadcast\|^local\|^multicast' | sort
ip -6 route show table all | grep -v '^local\|^multicast\|^anycast\|fe80' | sort
ip -o address show | grep '$EGRESS4\|$EGRESS6\|egressd0' | sed '/inet6 fe80/d; s/^[0-9]*: //' | sort
bridge fdb show dev egressd0 | sort
ip neighbour show dev egressd0 nud permanent | sort
ip -d -o link show egressd0 | sed 's/^[0-9]*: //; s/state [A-Z]*//; s/gso_.*//'
BASH
look() { nsenter --net="/run/netns/$1" bash "$LAB/look"; }
repaired() {  # repaired NODE WHAT COMMAND…: the median of three rounds
  local node=$1 what=$2 times=() before count round began
  shift 2
  look "$node" >"$LAB/before"
  for round in 1 2 3; do
    count=$(corrections "$node")
    on "$node" "$@" || fail "$what: $*"
    began=$(now_ms)
    until look "$node" >"$LAB/after" 2>/dev/null && cmp -s "$LAB/before" "$LAB/after"; do
      (($(now_ms) < began + 5000)) || { diff "$LAB/before" "$LAB/after" | head -n 40; fail "$what on $node is not repaired"; }
    done
    times+=($(($(now_ms) - began)))
    eventually 3 "counted" corrected_since "$node" "$count" >/dev/null
    sleep 0.3
  done
  local median
  median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 2p)
  ((median <= 200)) || fail "$what on $node took ${times[*]} ms"
  say "$what on $node: repaired within ${times[*]} ms (looking takes $cost ms of it)"
  [[ $(talk a1 udp $SERVER4) == "$EGRESS4" ]] || fail "no traffic after the repair of $what"
}
began=$(now_ms); look src1 >/dev/null; cost=$(($(now_ms) - began))
priority=99
on src1 ip rule | grep -c '^99:.*fwmark' >/dev/null || fail "no rule of egressd"

for name in src1 gw1; do
  repaired $name "nft flush ruleset" nft flush ruleset
  repaired $name "nft delete table" nft delete table inet egressd
  repaired $name "ip link del egressd0" ip link del egressd0
  repaired $name "ip link set egressd0 down" ip link set egressd0 down
done
repaired src1 "ip rule del" ip rule del priority "$priority"
repaired src1 "ip -6 rule del" ip -6 rule del priority "$priority"
repaired src1 "ip rule flush" bash -c 'ip rule flush; ip rule add priority 32766 lookup main; ip rule add priority 32767 lookup default'
table=$(on src1 ip rule | sed -n 's/^99:.*lookup \([0-9]*\).*/\1/p' | head -n1)
repaired src1 "ip route flush table $table" ip route flush table "$table"
repaired src1 "ip neigh flush" ip neighbour flush dev egressd0 nud permanent
repaired gw1 "ip addr del of the egress address" ip address del "$EGRESS4/32" dev up0
repaired gw1 "ip addr del of the IPv6 egress address" ip -6 address del "$EGRESS6/128" dev up0
repaired src1 "one element of a map" nft flush map inet egressd nexthop
masquerade src1
on src1 nft delete table ip docker_like
sleep 1
on src1 nft list table ip docker_like >/dev/null 2>&1 && fail "a foreign table came back"
equal "in sync" true "$(status src1 'd["datapath"]["in_sync"]')"
pass
