#!/bin/bash
# A VXLAN frame with a valid egress id, from a host of the underlay network that is not a peer, does not leave; the same frame from a peer does.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
host stranger
plug stranger under0 under 10.0.0.99/24
start_cluster
standard_policy | apply src1
id=$(on gw1 nft list map inet egressd snat4 | tr '\n' ' ' | grep -o '0x[0-9a-f]* : 203.0.113.100' | cut -d' ' -f1)
[[ -n $id ]] || fail "no egress id for $EGRESS4 in the map snat4"
tunnel_address() { on "$1" ip -4 -o address show dev egressd0 | awk '{ split($4, a, "/"); print a[1] }'; }
mac=$(on gw1 cat /sys/class/net/egressd0/address)
frame() { on "$1" $PYTHON "$PROBE" vxlan 10.0.0.11 7789 100 "$2" "$(tunnel_address src1)" $SERVER4 "$mac"; }
say "egress id $id, gateway $(tunnel_address gw1) at $mac"
counted() { equal "$1" "$2" "$(outside_says count udp $EGRESS4 $SERVER4)"; }
forget
frame src1 "$((id))"
counted "packets outside after a frame of a peer" 1
frame stranger "$((id))"
counted "packets outside after a frame of a stranger" 1
frame src1 "$((id + 1000))"
counted "packets outside after a frame with an id that nobody holds" 1
frame src1 "$((id))"
sleep 0.2
counted "packets outside after another frame of the peer" 2
equal "sources outside" $EGRESS4 "$(sources udp $SERVER4)"
on gw1 nft list table inet egressd | grep -A2 'counter not_a_peer' || true
pass
