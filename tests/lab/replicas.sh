#!/bin/bash
# Four egress IPs of one policy on four gateways: connections spread over all of them, the death of a gateway is seen by its own connections only, which
# go on, and its return by nobody.
#   tests/lab/replicas.sh [CONNECTIONS OF EACH WORKLOAD]
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
each=${1:-200}
lab_cluster 2 4
start_cluster
policy() {  # policy SPREAD
  cat <<YAML
version: 1
workloads:
  a: {addresses: [172.17.0.2], labels: {app: selected}}
  many: {addresses: [$(printf '172.17.1.%s, ' {1..64} | sed 's/, $//')], labels: {app: selected}}
pools:
  public: {ipv4: [203.0.113.100-203.0.113.109], ipv6: ["2001:db8:1::100-2001:db8:1::109"]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}
policies:
  crawler: {from: {labels: {app: selected}}, replicas: 4, spread: $1}
YAML
}
policy flow | apply src1
placed() { status src1 '{i["ip"]: i["node"] for i in d["egress_ips"] if i["family"] == "ipv4"}'; }
equal "nodes of the four IPv4 egress IPs" '["gw1", "gw2", "gw3", "gw4"]' "$(status src1 'sorted(i["node"] for i in d["egress_ips"] if i["family"] == "ipv4")')"
equal "nodes of the four IPv6 egress IPs" '["gw1", "gw2", "gw3", "gw4"]' "$(status src1 'sorted(i["node"] for i in d["egress_ips"] if i["family"] == "ipv6")')"

# ---- spread ----
flows_server $SERVER4
for n in 1 2; do flows_open flows$n a$n $SERVER4 "$each" 0 20000; done
# even WHAT TOLERANCE <addresses, one a line>: prints how many came from each; exit 1 unless each of four is within the tolerance
even() {
  $PYTHON -c 'import collections, sys
what, tolerance = sys.argv[1], float(sys.argv[2])
counts = collections.Counter(line.strip() for line in sys.stdin if line.strip())
mean = sum(counts.values()) / 4
worst = max(abs(n - mean) / mean for n in counts.values()) if counts else 1
print(f"· {what}: {dict(sorted(counts.items()))}, at most {worst:.1%} from even")
sys.exit(len(counts) != 4 or worst > tolerance)' "$@"
}
sources_of() { on outside ss -Hnt state established "( sport = :$FLOW_PORT )" | awk '{ sub(/:[0-9]+$/, "", $4); print $4 }'; }
sources_of | even "$((2 * each)) connections of two workloads, seen outside" 0.15 || fail "not even"
say "get ips on src1: $(ctl src1 get ips -o json | $PYTHON "$PROBE" json '{i["ip"]: i["connections"] for i in d["items"] if i["family"] == "ipv4"}')"
equal "connections that src1 counts" "$each" "$(ctl src1 get ips -o json | $PYTHON "$PROBE" json 'sum(i["connections"] for i in d["items"])')"
equal "choices that explain names" '["203.0.113.100", "203.0.113.101", "203.0.113.102", "203.0.113.103"]' \
  "$(ctl src1 explain 172.17.0.2 $SERVER4:443 -o json | $PYTHON "$PROBE" json 'sorted(c["egress_ip"] for c in d["choices"])')"

# ---- which streams go where ----
on outside nft -f - <<NFT
table inet seen {
  set pulses { type ipv4_addr . inet_service; flags dynamic; size 1000; }
  chain prerouting { type filter hook prerouting priority 0; udp dport $PULSE_PORT add @pulses { ip saddr . udp sport }; }
}
NFT
pulse_server $SERVER4
for n in {1..8}; do pulse_from pulse$n a1 $SERVER4 200; done
begin() { local n; for n in {1..8}; do ask pulse$n begin >/dev/null; done; }
begin
egress_of() {  # egress_of NAME: the egress IP that the outside host sees a pulse come from
  local port
  port=$(on a1 ss -Hnup | grep "pid=${TRAFFIC[$1]}," | awk '{ sub(/.*:/, "", $3); print $3; exit }')
  on outside nft -j list set inet seen pulses | $PYTHON "$PROBE" json "' '.join(e['concat'][0] for s in d['nftables'] if 'set' in s for e in s['set'].get('elem', []) if e['concat'][1] == $port)"
}
sleep 1
declare -A EGRESS=()
for n in {1..8}; do EGRESS[$n]=$(egress_of pulse$n); [[ ${EGRESS[$n]} == 203.0.113.10[0-3] ]] || fail "pulse$n comes from '${EGRESS[$n]}'"; done
equal "egress IPs that eight streams use" 4 "$(printf '%s\n' "${EGRESS[@]}" | sort -u | wc -l)"

# ---- a gateway dies ----
victim=$(holder src1 203.0.113.102)
say "$victim loses its power: $(placed)"
# undisturbed MS EXCEPT: the gaps of all streams but those of one egress IP
undisturbed() {
  local n end gap stall
  for n in {1..8}; do
    end=$(ask pulse$n end)
    gap=$($PYTHON "$PROBE" json 'int(d["gap_ms"])' <<<"$end") stall=$($PYTHON "$PROBE" json 'int(d["stall_ms"])' <<<"$end")
    say "stream $n through ${EGRESS[$n]}: largest gap $gap ms (own stall $stall ms)"
    [[ ${EGRESS[$n]} == "$2" ]] && continue
    ((gap <= $1 + stall)) || fail "stream $n missed packets for $gap ms"
  done
}
cuttable under uplink
for n in 1 2; do ask flows$n mark >/dev/null; done
begin
power_loss "$victim"
for n in 1 2; do ask flows$n struck >/dev/null; done
moved() { local now; now=$(holder src1 203.0.113.102) && [[ $now == gw? && $now != "$victim" ]]; }
eventually 15 "another node holds 203.0.113.102" moved
sleep 3
undisturbed 100 203.0.113.102
for n in {1..8}; do equal "stream $n still comes from" "${EGRESS[$n]}" "$(egress_of pulse$n)"; done
for n in 1 2; do
  verdict=$(ask flows$n verdict 20)
  say "a$n: $verdict"
  equal "connections of a$n that go on" "$each" "$($PYTHON "$PROBE" json 'd["tcp_alive"]' <<<"$verdict")"
done
say "now: $(placed)"

# ---- it comes back ----
begin
for n in 1 2; do ask flows$n mark >/dev/null; done
before=$(placed)
power_back "$victim" $((10 + ${victim#gw}))
start "$victim"
eventually 30 "every node sees every other" alive_everywhere
eventually 20 "policy in force on every node" in_force_everywhere
sleep 2
undisturbed 100 none
equal "holders (no failback)" "$before" "$(placed)"
for n in 1 2; do equal "connections of a$n that go on" "$each" "$(counted 'd["tcp_alive"]' flows$n verdict 20)"; done
for n in {1..8}; do dismiss pulse$n; done
for n in 1 2; do ask flows$n close >/dev/null; dismiss flows$n; done

# ---- by source ----
policy source | apply src1
for n in {1..64}; do ip -n a1 address add 172.17.1.$n/32 dev eth0; done
# seen_from SOURCE…: one connection from each; prints where the server says that it comes from, in order
seen_from() {
  on a1 $PYTHON -c 'import socket, sys
for source in sys.argv[2:]:
    with socket.create_connection((sys.argv[1], 9000), 5, (source, 0)) as s:
        s.sendall(b"?")
        print(s.recv(100).decode())' "$SERVER4" "$@" || fail "no answer to each of $*"
}
first=$(seen_from 172.17.1.{1..64})
again=$(seen_from 172.17.1.{1..64})
equal "64 sources, asked twice: the same egress IP" same "$([[ $first == "$again" ]] && echo same || echo "$first / $again")"
even "64 workloads by source" 0.75 <<<"$first" || fail "not spread"   # a hash of 64 sources, no turns
for n in 1 7 33; do
  equal "explain about 172.17.1.$n" "$(sed -n ${n}p <<<"$first")" \
    "$(ctl src1 explain 172.17.1.$n $SERVER4:443 -o json | $PYTHON "$PROBE" json 'd["egress_ip"]')"
done

# ---- an egress IP that nobody has room for ----
policy flow | with_gateway "max_ips_per_node: 1" | sed 's/, ipv6: .*]}/}/' | apply src1
gone=$(holder src1 203.0.113.101)
say "$gone dies, and nobody has room for 203.0.113.101"
darken "$gone" under uplink
kill_node "$gone"
eventually 20 "203.0.113.101 is unassigned" is unassigned status src1 '[i["state"] for i in d["egress_ips"] if i["ip"] == "203.0.113.101"][0]'
forget
for n in {1..12}; do talk a1 tcp $SERVER4 >/dev/null || fail "a new connection has no way out"; done
equal "new connections leave with the others" "203.0.113.100 203.0.113.102 203.0.113.103" "$(sources tcp $SERVER4 | tr '\n' ' ' | sed 's/ *$//')"
for network in under uplink; do heal $network; done
start "$gone"
eventually 30 "$gone holds it again" is "$gone" holder src1 203.0.113.101
forget
for n in {1..12}; do talk a1 tcp $SERVER4 >/dev/null || fail "a new connection has no way out"; done
equal "new connections leave with all of them" 4 "$(sources tcp $SERVER4 | wc -w)"
pass
