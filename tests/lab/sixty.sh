#!/bin/bash
# 60 daemons on one network: in sync within 10 s of a joint start, a death known everywhere within 5 s, less than 12 MB resident each.
#   tests/lab/sixty.sh [NODES]
export LAB_OFFLOAD=1   # nothing here is about what packets look like on a wire
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
count=${1:-60}
network under
network uplink
outside
for ((n = 1; n <= 3; ++n)); do gateway_node gw$n $n; done
for ((n = 4; n <= count; ++n)); do node src$n $n; done
# All namespaces share the kernel's one neighbour table, which holds 1,024 entries that may age: 60 hosts that know each other would need 3,540. Permanent
# ones are not counted.
for node in "${NODES[@]}"; do echo "neighbour replace ${UNDERLAY[$node]} lladdr $(on "$node" cat /sys/class/net/under0/address) dev under0 nud permanent"; done >"$LAB/neighbours"
for node in "${NODES[@]}"; do grep -v " ${UNDERLAY[$node]} " "$LAB/neighbours" | ip -n "$node" -batch -; done
# A site names some of its nodes, not all.
for node in "${NODES[@]}"; do
  node_file "$node" "$([[ $node == gw* ]] && echo gateway || echo source)"
  sed -i 's/^  join: .*/  join: ["10.0.0.1", "10.0.0.2", "10.0.0.3"]/' "$LAB/$node/egressd.yaml"
done
standard_policy >"$LAB/gw1/policy.yaml"
began=$(now_ms)
# 60 daemons are 60 hosts, not one user's: each is a user of its own, because a user has 128 inotify instances (fs.inotify.max_user_instances).
may=+net_admin,+net_raw,+net_bind_service,+ipc_lock,+sys_nice,+chown,+fowner,+dac_override
for ((n = 0; n < count; ++n)); do
  LAB_BEFORE="setpriv --reuid $((20000 + n)) --clear-groups --inh-caps=$may --ambient-caps=$may chrt --rr 10" start "${NODES[n]}"
done
started=$(($(now_ms) - began))
eventually 60 "$count nodes agree" agreed "${NODES[@]}"
took=$(($(now_ms) - began))
say "in sync $took ms after the first daemon was started ($started ms to start them all)"
((took <= 10000)) || fail "in sync after $took ms"
resident=$(for node in "${NODES[@]}"; do awk '/VmRSS/ { print $2 }' "/proc/${DAEMON[$node]}/status"; done | sort -n)
say "resident memory: least $(head -n1 <<<"$resident") KiB, most $(tail -n1 <<<"$resident") KiB"
(($(tail -n1 <<<"$resident") < 12 * 1024)) || fail "a daemon has $(tail -n1 <<<"$resident") KiB"
cpu() { for node in "$@"; do awk '{ print $14 + $15 }' "/proc/${DAEMON[$node]}/stat"; done | awk '{ n += $1 } END { print n * 10 }'; }
ticks=$(cpu "${NODES[@]}") since=$(now_ms)
sleep 3
say "CPU at rest: $((($(cpu "${NODES[@]}") - ticks) * 1000 / ($(now_ms) - since))) ms/s for all $count"
for victim in src$count gw3; do
  survivors=()
  for node in "${NODES[@]}"; do [[ -z ${DAEMON[$node]:-} || $node == "$victim" ]] || survivors+=("$node"); done
  began=$(now_ms)
  power_loss "$victim"
  eventually 30 "$victim has died, and everybody says so" agreed "${survivors[@]}"
  took=$(($(now_ms) - began))
  ((took <= 5000)) || fail "the death of $victim was known everywhere after $took ms"
done
pass
