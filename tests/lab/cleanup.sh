#!/bin/bash
# egressd --cleanup leaves the host byte for byte as it was before the first start: ruleset, rules, routes, links, addresses, neighbours, sysctls;
# with foreign objects of every kind beside egressd's.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
for name in src1 gw1; do
  ip -n $name rule add priority 98 fwmark 0x7 lookup 26999
  ip -n $name route add 192.0.2.0/24 dev under0 table 26999
  ip -n $name route add 192.0.2.128/25 via 10.0.0.254 proto 200
  on $name nft -f - <<'NFT'
table inet mine {
  map m {
    type ipv4_addr : mark
    elements = { 192.0.2.1 : 0x00000001 }
  }
  chain c {
    type filter hook forward priority 0
    counter
  }
}
NFT
done
look() {
  on "$1" nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
  local what
  for what in "rule" "-6 rule" "route show table all" "-6 route show table all" "link" "address" "neighbour show nud permanent"; do
    echo "== $what"
    on "$1" ip -j $what | $PYTHON "$PROBE" json '"\n".join(sorted(json.dumps(x, sort_keys=True) for x in d))'
  done
  on "$1" bridge fdb | grep permanent | sort
  on "$1" sysctl -a 2>/dev/null | grep '^net\.' | grep -v 'conntrack_count\|\.neigh\.default\.gc_\|nf_conntrack_helper'
}
look src1 >"$LAB/src1.before"
look gw1 >"$LAB/gw1.before"
start_cluster
standard_policy | apply src1
leaves_with a1 $SERVER4 $EGRESS4
leaves_with a1 $SERVER6 $EGRESS6
stop gw1
[[ $(ip -n gw1 address) != *"$EGRESS4"* && $(ip -n gw1 address) != *"$EGRESS6"* ]] || fail "a stopped node still has its egress addresses"
say "stopped: the egress addresses are released"
kill_node src1
for name in src1 gw1; do
  cmp -s <(look $name) "$LAB/$name.before" && fail "nothing of egressd is left before the cleanup: the check proves nothing"
  on $name "$EGRESSD" --cleanup --config "$LAB/$name/egressd.yaml" --state-dir "$LAB/$name/state" --run-dir "$LAB/$name/run" || fail "--cleanup: exit $?"
  look $name >"$LAB/$name.after"
  diff "$LAB/$name.before" "$LAB/$name.after" || fail "$name is not as it was"
  say "$name is as it was: $(wc -l <"$LAB/$name.after") lines compared"
  on $name "$EGRESSD" --cleanup --config "$LAB/$name/egressd.yaml" --state-dir "$LAB/$name/state" --run-dir "$LAB/$name/run" || fail "a second --cleanup: exit $?"
done
talk b1 udp $OTHER4 >/dev/null
pass
