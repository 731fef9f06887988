#!/bin/bash
# A 1500-byte underlay: datagrams of 3000 bytes arrive both ways, 10 MB of TCP go up and down without one fragment anywhere.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
start_cluster
standard_policy | apply src1
equal "mtu of the tunnel" 1450 "$(on src1 cat /sys/class/net/egressd0/mtu)"

fragments() {  # made or put together anywhere on the way, except by the workload and the server themselves
  local where
  for where in src1 gw1; do
    on "$where" awk '/^Ip: [0-9]/ { print $15 + $18 + $20 }' /proc/net/snmp              # ReasmReqds, FragOKs, FragCreates
    on "$where" awk '$1 ~ /^Ip6(ReasmReqds|FragOKs|FragCreates)$/ { n += $2 } END { print n + 0 }' /proc/net/snmp6
  done | awk '{ n += $1 } END { print n }'
}
before=$(fragments)
forget
for server in $SERVER4 $SERVER6; do
  for direction in down up; do
    equal "TCP $direction from $server" 10000000 "$(on a1 $PYTHON "$PROBE" bulk $direction $server 10000000)"
  done
  equal "TCP fragments seen outside" 0 "$(outside_says count fragment "$([[ $server == *:* ]] && echo $EGRESS6 || echo $EGRESS4)" $server)"
  longest=$(outside_says longest tcp $server)
  ((longest > 1200 && longest <= 1450)) || fail "the longest TCP packet had $longest bytes"
  say "longest TCP packet: $longest bytes"
done
equal "source of the TCP packets" "$EGRESS4 $EGRESS6" "$(sources tcp $SERVER4) $(sources tcp $SERVER6)"
equal "fragments on source node and gateway" "$before" "$(fragments)"

for server in $SERVER4 $SERVER6; do
  equal "datagram of 3000 bytes to $server and back" 3000 "$(on a1 $PYTHON "$PROBE" large $server 3000)"
done
(($(fragments) > before)) || fail "the fragment counters do not count: the check above proves nothing"
equal "source of the fragments" "$EGRESS4 $EGRESS6" "$(sources fragment $SERVER4) $(sources fragment $SERVER6)"
pass
