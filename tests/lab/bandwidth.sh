#!/bin/bash
# A bandwidth holds within ten per cent: TCP and UDP, out and in, IPv4 and IPv6, for workloads of a source node and of the gateway node, and for the
# gateway node's own processes; families share it; it changes while a connection lives.
if [[ -z ${LAB_INSIDE:-} ]]; then export LAB_PACKAGES=iperf3; fi
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
docker_bridge gw1
workload g1 gw1 2
start_cluster
# One policy for each row below, told apart by their ports: what goes out is measured on the first, what comes in on the second.
policy() {  # policy TCP4: the egress rate of the policy tcp4
  cat <<YAML
version: 1
workloads: {gw1: {addresses: [203.0.113.11], labels: {app: own}, node: gw1}}   # its own processes, by their address
pools: {public: {ipv4: [203.0.113.100-203.0.113.109], ipv6: ["2001:db8:1::100-2001:db8:1::109"]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  tcp4: {priority: 1, from: {cidr: [172.17.0.0/16], node: src1}, ports: [tcp/5201, tcp/5211], bandwidth: {egress: $1, ingress: 6M}}
  tcp6: {priority: 2, from: {cidr: ["fd00:17::/64"], node: src1}, ports: [tcp/5202, tcp/5212], bandwidth: {egress: 8M, ingress: 4M}}
  udp4: {priority: 3, from: {cidr: [172.17.0.0/16], node: src1}, ports: [tcp/5203, udp/5203, tcp/5213, udp/5213], bandwidth: {egress: 10M, ingress: 5M}}
  udp6: {priority: 4, from: {cidr: ["fd00:17::/64"], node: src1}, ports: [tcp/5204, udp/5204, tcp/5214, udp/5214], bandwidth: {egress: 5M, ingress: 10M}}
  local: {priority: 5, from: {cidr: [172.17.0.0/16], node: gw1}, ports: [tcp/5205, tcp/5215], bandwidth: {egress: 8M, ingress: 4M}}
  own: {priority: 6, from: {labels: {app: own}}, ports: [tcp/5206, tcp/5216], bandwidth: {egress: 4M, ingress: 8M}}
  both: {priority: 7, from: {all: true, node: src1}, ports: [tcp/5207, udp/5207, tcp/5217, udp/5217], bandwidth: {egress: 5M}}
YAML
}
policy 12M | apply src1
limits() { on gw1 nft list limits | sed -n 's/^\tlimit \(.*\) {$/\1/p' | sort | xargs; }
equal "limits on the holder" "in_local in_own in_tcp4 in_tcp6 in_udp4 in_udp6 out_both out_local out_own out_tcp4 out_tcp6 out_udp4 out_udp6" "$(limits)"

# Whole IP packets, acknowledgements too, counted by who gets them: the server by the port that they go to, the others by the port that they come
# from.
meter() {  # meter HOST sport|dport
  local port text=""
  for port in 520{1..7} 521{1..7}; do text+="counter p$port {}; "; done
  on "$1" nft -f - <<NFT
table inet counted {
  $text
  map ports { type inet_service : counter; elements = { $(for port in 520{1..7} 521{1..7}; do echo -n "$port : \"p$port\","; done) } }
  chain input { type filter hook input priority 0; meta l4proto { tcp, udp } counter name th $2 map @ports; }
}
NFT
}
meter outside dport
for where in a1 g1 gw1; do meter $where sport; done
# Each on its own address: a datagram that is answered from another one is no answer.
server_of() { case $1 in 5202 | 5212 | 5204 | 5214 | 5217) echo $SERVER6 ;; *) echo $SERVER4 ;; esac; }
for port in 520{1..7} 521{1..7}; do ip netns exec outside iperf3 -s -B $(server_of $port) -p $port >"$LAB/iperf3.$port.out" 2>&1 & BACKGROUND+=($!); done
listens() { (($(on outside ss -Hltn | grep -c ":52[01][1-7] ") >= 14)); }
eventually 20 "fourteen servers" listens
send() {  # send WHERE PORT OPTIONS…: for as long as the test may take
  local where=$1 port=$2
  shift 2
  ip netns exec "$where" iperf3 -c "$(server_of "$port")" -p "$port" -t 40 "$@" >"$LAB/sent.$port.out" 2>&1 & BACKGROUND+=($!)
}
count() { on "$1" nft -j list counters table inet counted; }
rates() {  # rates SECONDS WHERE/PORT=LIMIT_MBIT…: measured, each within ten per cent
  local seconds=$1 at hosts="outside a1 g1 gw1"
  shift
  for at in $hosts; do count $at >"$LAB/before.$at"; now_ms >"$LAB/before.$at.ms"; done
  sleep "$seconds"
  for at in $hosts; do count $at >"$LAB/after.$at"; now_ms >"$LAB/after.$at.ms"; done
  $PYTHON - "$LAB" "$@" <<'PY' || fail "not within ten per cent of the limit"
import json, sys
lab, wanted = sys.argv[1], sys.argv[2:]
def read(when, host):
    objects = json.load(open(f"{lab}/{when}.{host}"))["nftables"]
    return {o["counter"]["name"]: o["counter"]["bytes"] for o in objects if "counter" in o}, int(open(f"{lab}/{when}.{host}.ms").read())
wrong = 0
for each in wanted:
    place, limit = each.split("=")
    host, ports = place.split("/")
    (before, began), (after, ended) = read("before", host), read("after", host)
    count = sum(after["p" + port] - before["p" + port] for port in ports.split("+"))
    rate = count * 8 / (ended - began) / 1000
    ratio = rate / float(limit)
    wrong += not 0.9 <= ratio <= 1.1
    print(f"· {'out, counted' if host == 'outside' else 'in, counted'} at {host}, port {ports}: {rate:.2f} of {limit} Mbit/s, {ratio:.3f}")
sys.exit(1 if wrong else 0)
PY
}
ended() { local port; for port in "$@"; do ! grep -qi "error\|unable" "$LAB/sent.$port.out" || { cat "$LAB/sent.$port.out"; fail "the connection to port $port ended"; }; done; }

send a1 5201; send a1 5211 -R
send a1 5202; send a1 5212 -R
send a1 5203 -u -b 20M -l 1300; send a1 5213 -u -b 10M -l 1300 -R
send a1 5204 -u -b 10M -l 1300; send a1 5214 -u -b 20M -l 1300 -R
send g1 5205; send g1 5215 -R
send gw1 5206; send gw1 5216 -R
send a1 5207 -u -b 5M -l 1300; send a1 5217 -u -b 10M -l 1300
sleep 4   # what the buckets hold passes, and TCP finds its rate
rates 10 outside/5201+5211=12 a1/5201+5211=6 outside/5202+5212=8 a1/5202+5212=4 outside/5203=10 a1/5213=5 outside/5204=5 a1/5214=10 \
  outside/5205+5215=8 g1/5205+5215=4 outside/5206+5216=4 gw1/5206+5216=8 outside/5207+5217=5
((over = $(status gw1 'd["datapath"]["counters"]["over_limit"]'))) || fail "nothing was counted as over the limit"
say "dropped over a limit: $over"
# What was dropped is not counted as sent: the policy and the server agree, while twice as much is offered.
sent=$(ctl gw1 get policies udp4 -o json | $PYTHON "$PROBE" json 'd["items"][0]["sent"]["bytes"]')
came=$(count outside | $PYTHON "$PROBE" json 'sum(o["counter"]["bytes"] for o in d["nftables"] if o.get("counter", {}).get("name") in ("p5203", "p5213"))')
say "udp4: $sent bytes sent, $came came"
((sent >= came * 95 / 100 && sent <= came * 105 / 100)) || fail "the policy's count is not what came"

say "another rate, while the connections live"
policy 3M | apply src1
sleep 4
rates 8 outside/5201+5211=3 a1/5201+5211=6 outside/5202+5212=8
ended 5201 5202 5203 5205 5206
equal "explain names the limit" 1 "$(ctl src1 explain 172.17.0.2 $SERVER4:5201/tcp | grep -c "gw1 *sends at most 3M bit/s for all of tcp4 together")"
say "no bandwidth: neither limits nor maps are left"
policy 3M | sed 's/, bandwidth: {[^}]*}//' | apply src1
equal "limits on the holder" "" "$(limits)"
equal "maps to limits" 0 "$(on gw1 nft list table inet egressd | grep -c limit_ || true)"
ended 5201 5202
pass
