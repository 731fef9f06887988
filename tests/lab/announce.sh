#!/bin/bash
# The new holder announces the address: the neighbours' caches point to it without a question of theirs.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
start_cluster
standard_policy | apply src1
talk a1 udp $SERVER4 >/dev/null
holder=$(holder src1 $EGRESS4)
other=$([[ $holder == gw1 ]] && echo gw2 || echo gw1)
cached() { ip -n outside neighbour show $1 | awk '{ print $5 }'; }
mac() { on "$1" cat /sys/class/net/up0/address; }
talk a1 udp $SERVER6 >/dev/null
holder6=$(holder src1 $EGRESS6)
equal "cache of the outside host" "$(mac "$holder")" "$(cached $EGRESS4)"
equal "cache of the outside host" "$(mac "$holder6")" "$(cached $EGRESS6)"
# Without answers an entry that is in use would fail before anything is announced.
on outside sysctl -qw net.ipv6.neigh.up0.ucast_solicit=600 net.ipv4.neigh.up0.ucast_solicit=600
on outside nft -f - <<'NFT'
table arp silent {
  chain out {
    type filter hook output priority 0
    arp operation request drop
  }
}
table inet silent {
  chain out {
    type filter hook output priority 0
    icmpv6 type nd-neighbor-solicit drop
  }
}
NFT
die() { ip -n under link set "$1" down; ip -n uplink link set "$1" down; kill_node "$1"; }
die "$holder"
eventually 15 "$EGRESS4 is announced" is "$(mac "$other")" cached $EGRESS4
if [[ $holder6 != "$holder" ]]; then   # the families may live on different nodes
  ip -n under link set "$holder" up
  ip -n uplink link set "$holder" up
  start "$holder"
  eventually 30 "in force again" in_force_everywhere
  die "$holder6"
  other=$holder
fi
eventually 15 "$EGRESS6 is announced" is "$(mac "$other")" cached $EGRESS6
pass
