#!/bin/bash
# Not one packet of a selected workload reaches the outside with another source address: while the policy is replaced 100 times, while egressd is
# killed with -9 and started again, with every gateway dead. The direct traffic of an unselected workload does not notice any of it.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
start_cluster
policy() {  # policy EGRESS-LAST-NUMBER EXTRA
  cat <<YAML
version: 1
workloads: {a: {addresses: [172.17.0.2, "fd00:17::2"], labels: {app: selected}}}
pools: {public: {ipv4: [203.0.113.100-203.0.113.109], ipv6: ["2001:db8:1::100-2001:db8:1::109"]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  selected: {from: {labels: {app: selected}}, egress_ip: {ipv4: 203.0.113.$1, ipv6: "2001:db8:1::$1"}}
$2
YAML
}
policy 100 "" | apply src1
forget
stream direct b1 $OTHER4 400 500
stream selected4 a1 $SERVER4 400 250
stream selected6 a1 $SERVER6 400 250
fresh() {  # new connections all the time
  while true; do
    talk a1 tcp $SERVER4 >/dev/null 2>&1 || true
    talk a1 udp $SERVER6 >/dev/null 2>&1 || true
    sleep 0.05
  done
}
fresh & fresh=$!
no_leak() {  # no_leak WHEN
  local proto
  for proto in tcp udp icmp; do
    [[ " 203.0.113.100 203.0.113.101  " == *" $(sources $proto $SERVER4) "* || $(sources $proto $SERVER4) == "203.0.113.100 203.0.113.101" ]] ||
      fail "$1: $proto left with $(sources $proto $SERVER4)"
    [[ " 2001:db8:1::100 2001:db8:1::101  " == *" $(sources $proto $SERVER6) "* || $(sources $proto $SERVER6) == "2001:db8:1::100 2001:db8:1::101" ]] ||
      fail "$1: $proto left with $(sources $proto $SERVER6)"
  done
  equal "$1, the unselected workload" 10.0.0.1 "$(sources udp $OTHER4)"
}

say "the policy is replaced 100 times"
began=$(now_ms)
for ((i = 1; i <= 100; ++i)); do
  case $((i % 4)) in
    0) policy 100 "" ;;
    1) policy 101 "" ;;
    2) policy 101 "  more: {from: {cidr: [172.17.0.0/28]}, to: [198.18.0.0/15], ports: [tcp/1-$i], priority: 10, egress_ip: auto}" ;;
    3) policy 100 "  more: {from: {cidr: [172.17.0.9]}, egress_ip: auto}" ;;
  esac >"$LAB/next.yaml"
  ctl "$([[ $((i % 3)) == 0 ]] && echo gw1 || echo src1)" apply -f "$LAB/next.yaml" >"$LAB/apply.out" 2>&1 || { cat "$LAB/apply.out"; fail "apply number $i"; }
done
say "100 times in $(($(now_ms) - began)) ms"
no_leak "while the policy was replaced"
policy 100 "" | apply src1

say "egressd is killed and started again, three times on every node"
for i in 1 2 3; do
  for name in src1 gw1 gw2; do
    kill_node $name
    sleep 0.3
    start $name
    eventually 10 "$name answers again" status $name 1
  done
done
eventually 20 "all in force again" in_force_everywhere
no_leak "while egressd was killed"

say "every gateway dies"
for name in gw1 gw2; do
  ip -n under link set $name down
  ip -n uplink link set $name down
  kill_node $name
done
eventually 20 "src1 sees that nobody is left" status src1 '1 / all(i["state"] == "unassigned" for i in d["egress_ips"])'
forget
sleep 1
talk a1 udp $SERVER4 >/dev/null 2>&1 && fail "a selected workload got out without a gateway"
talk a1 icmp $SERVER6 >/dev/null 2>&1 && fail "a selected workload got out without a gateway"
for proto in tcp udp icmp; do equal "$proto with every gateway dead" "" "$(sources $proto $SERVER4)$(sources $proto $SERVER6)"; done
say "the source node's daemon is killed as well, and comes back alone"
kill_node src1
talk a1 udp $SERVER4 >/dev/null 2>&1 && fail "a selected workload got out without a gateway and a daemon"
start src1
eventually 10 "src1 answers again" status src1 1
sleep 1
for proto in tcp udp icmp; do equal "$proto with every gateway dead" "" "$(sources $proto $SERVER4)$(sources $proto $SERVER6)"; done

say "the gateways come back"
for name in gw1 gw2; do
  ip -n under link set $name up
  ip -n uplink link set $name up
  start $name
done
eventually 30 "all in force again" in_force_everywhere
eventually 10 "the selected workload reaches the outside" talk a1 udp $SERVER4
no_leak "after the gateways came back"
kill $fresh
for name in direct selected4 selected6; do stream_stop $name; stream_end $name; done
equal "packets that the unselected workload lost in all this" 0 "$(streamed direct 'd["lost"]')"
say "the selected stream: $(streamed selected4 'd')"
pass
