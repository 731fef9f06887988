#!/bin/bash
# A gateway with 10,000 established TCP connections and 200 UDP flows of two source nodes, on the same source ports, loses its power: all of them go on.
#   tests/lab/connections.sh [TCP] [UDP]
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
tcp=${1:-10000} udp=${2:-200}
may_end=$((tcp / 10000))   # 99.99 % survive
lab_cluster 2 2
start_cluster
standard_policy | apply src1
holder=$(holder src1 $EGRESS4)
other=$([[ $holder == gw1 ]] && echo gw2 || echo gw1)
on under nft -f - <<NFT
table bridge counts {
  counter replicated {}
  chain forward {
    type filter hook forward priority 0;
    iifname "$holder" oifname "$other" counter name replicated
  }
}
NFT
replicated() { on under nft -j list counter bridge counts replicated | $PYTHON "$PROBE" json '[c["counter"]["bytes"] for c in d["nftables"] if "counter" in c][0]'; }
idle_from=$(replicated) idle_since=$(now_ms)
pulse_server $SERVER4
pulse_from pulse a1 $SERVER4
two_macs $EGRESS4
flows_server $SERVER4
sleep 2
idle=$(($(replicated) - idle_from)) idle_ms=$(($(now_ms) - idle_since))
forget
busy_from=$(replicated) busy_since=$(now_ms)
for n in 1 2; do flows_open flows$n a$n $SERVER4 $((tcp / 2)) $((udp / 2)) 20000; done
busy=$(($(replicated) - busy_from)) busy_ms=$(($(now_ms) - busy_since))
say "$holder → $other: $idle bytes in $idle_ms ms at rest, $busy bytes in $busy_ms ms while the connections were opened"
# What is sent all the time is sent anyway; a datagram of gossip more or less tells nothing.
replication=$((busy - idle * busy_ms / idle_ms))
((replication < tcp)) || fail "$replication bytes from $holder to $other for $tcp connections"

for n in 1 2; do ask flows$n mark >/dev/null; done
for n in 1 2; do equal "before: connections and flows that carry data" "[$((tcp / 2)), $((udp / 2))]" "$(counted '[d["tcp_alive"], d["udp_alive"]]' flows$n verdict 20)"; done
cuttable under uplink
ask pulse begin >/dev/null
# When the new holder has the connections, in its own words.
ip netns exec "$other" $PYTHON -c 'import sys, time
while True:
    with open("/proc/sys/net/netfilter/nf_conntrack_count") as count: print(time.monotonic(), count.read().strip(), flush=True)
    time.sleep(0.002)' >"$LAB/translations" 2>/dev/null & sampler=$!
say "$holder loses its power"
for n in 1 2; do ask flows$n mark >/dev/null; done
power_loss "$holder"
for n in 1 2; do ask flows$n struck >/dev/null; done
equal "$other has taken $EGRESS4" yes "$(ask macs until $EGRESS4 "$(mac "$other")" 15000)"
for n in 1 2; do ask flows$n verdict 20 >"$LAB/verdict$n" & asked[$n]=$!; done
for n in 1 2; do wait "${asked[$n]}" || fail "no verdict on the connections of a$n"; done
kill $sampler
say "outage of a stream of 1,000 packets/s: $(ask pulse end)"
$PYTHON - "$LAB/translations" "$(counted "d['$EGRESS4']['since']" macs report)" $((tcp + udp)) <<'PY'
import sys
path, taken, wanted = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
samples = [(float(t), int(n)) for t, n in (line.split() for line in open(path) if line.count(" ") == 1)]
full = next((t for t, n in samples if n >= wanted), None)
print("· every connection is translated again:", "never" if full is None else f"{(full - taken) * 1000:.0f} ms after the takeover")
PY
alive=0 flows=0
for n in 1 2; do
  say "a$n: $(cat "$LAB/verdict$n")"
  alive=$((alive + $($PYTHON "$PROBE" json 'd["tcp_alive"]' <"$LAB/verdict$n")))
  flows=$((flows + $($PYTHON "$PROBE" json 'd["udp_alive"]' <"$LAB/verdict$n")))
done
say "$alive of $tcp TCP connections and $flows of $udp UDP flows go on; the server: $(ask flows.$SERVER4 state)"
for proto in tcp udp; do equal "sources outside, $proto" $EGRESS4 "$(sources $proto $SERVER4)"; done
((alive >= tcp - may_end)) || fail "$((tcp - alive)) of $tcp TCP connections ended"
((flows >= udp - may_end)) || fail "$((udp - flows)) of $udp UDP flows ended"
pass
