#!/bin/bash
# Nobody dies, so nothing may move: `cluster.profile: fast` (BFD every 10 ms) beside 8 busy loops, and with 20 % of all packets
# between the nodes lost in bursts. keepalived at its 10 ms floor stands beside it, without a real-time policy.
#   tests/lab/false_alarms.sh [SECONDS]     of each of the two (default 20)
if [[ -z ${LAB_INSIDE:-} && ! -x /usr/sbin/keepalived ]]; then export LAB_PACKAGES="keepalived conntrackd"; fi
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
. "$(dirname "$0")/../bench/keepalived.sh"
seconds=${1:-20}
lab_cluster 1 2
node_files
for name in "${NODES[@]}"; do with_cluster "$LAB/$name/egressd.yaml" "profile: fast"; done
start "${NODES[@]}"
for name in ka1 ka2; do
  ka_host $name
  ka_files $name 0.01 ""
done
ka_start ka1 ka2
eventually 20 "every node sees every other" alive_everywhere
standard_policy | apply src1
eventually 20 "everybody agrees" agreed src1 gw1 gw2
sleep 5   # BFD sessions begin slowly (RFC 5880 6.8.3)
said() { cat "$LAB"/{src1,gw1,gw2}/log | grep -c "$1" || true; }
moves() { said 'ip\.taken\|ip\.released\|member\.dead'; }
ka_moves() { cat "$LAB"/ka{1,2}/log | grep -c 'Entering MASTER STATE\|Entering BACKUP STATE' || true; }
quiet() {  # quiet WHAT: nothing moves for so long
  local before=$(moves) downs=$(said 'bfd\.down') ka_before=$(ka_moves)
  sleep "$seconds"
  say "$1, $seconds s: $(($(said 'bfd\.down') - downs)) BFD sessions went down; keepalived changed its state $(($(ka_moves) - ka_before)) times"
  equal "$1: takeovers and deaths" 0 $(($(moves) - before))
}
loops=()
for ((i = 0; i < 8; ++i)); do (while :; do :; done) & loops+=($!); done
quiet "8 busy loops"
kill "${loops[@]}"
wait "${loops[@]}" 2>/dev/null || true
# On every port, each way by itself: 20 packets pass, 5 do not.
{
  printf "table bridge bursts {\n chain forward {\n  type filter hook forward priority 0;\n"
  for name in "${NODES[@]}"; do echo "iifname \"$name\" numgen inc mod 25 < 5 drop"; done
  printf "}\n}\n"
} | on under nft -f -
quiet "20 % of all packets lost in bursts of 5"
pass
