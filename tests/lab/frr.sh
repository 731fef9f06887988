# Sourced beside lab.sh by tests that run FRR on hosts of the lab: its bfdd alone, or zebra and bgpd.
FRR_BFDD=/usr/lib/frr/bfdd
frr_missing() { [[ -x $FRR_BFDD ]] || echo frr; }
frr_needed() { [[ -x $FRR_BFDD ]] || { echo "SKIPPED: the package frr could not be installed, nothing was tested"; exit 0; }; }
# bfdd's own stamps are whole seconds: every line of its log gets the time in ms.
FRR_STAMP='import sys, time
for line in sys.stdin: print(time.time_ns() // 1000000, line, end="", flush=True)'
declare -A FRR=()   # host → pid of its bfdd
# frr_config HOST: its configuration, on stdin
frr_config() {
  mkdir -p "$LAB/$1/frr"
  { echo "debug bfd peer"; cat; } >"$LAB/$1/frr/bfdd.conf"
  chown -R frr:frr "$LAB/$1/frr"
}
frr_start() {  # frr_start HOST
  local directory=$LAB/$1/frr
  ip netns exec "$1" "$FRR_BFDD" --vty_socket "$directory" -i "$directory/pid" -P 0 --bfdctl "$directory/control" -z "$directory/zebra" \
    -f "$directory/bfdd.conf" --log stdout > >(exec $PYTHON -c "$FRR_STAMP" >>"$directory/log") 2>&1 &
  FRR[$1]=$!
  eventually 20 "bfdd of $1 answers" frr_peers "$1" >/dev/null
}
frr_kill() { kill -KILL "${FRR[$1]}"; wait "${FRR[$1]}" 2>/dev/null || true; unset "FRR[$1]"; }   # frr_kill HOST
frr_peers() { vtysh --vty_socket "$LAB/$1/frr" -c 'show bfd peers json'; }
# frr HOST PEER KEY: what bfdd says of its session with this peer
frr() { frr_peers "$1" | $PYTHON "$PROBE" json "[p for p in d if p['peer'] == '$2'][0]['$3']"; }
# frr_down_ms HOST PEER: when its session with this peer was last up
frr_down_ms() { grep "peer:$2 .* up -> down" "$LAB/$1/frr/log" | tail -1 | cut -d ' ' -f 1; }
frr_configure() {  # frr_configure HOST PEER LOCAL LINE…: of the peer
  local lines=(-c "configure terminal" -c bfd -c "peer $2 local-address $3") line
  for line in "${@:4}"; do lines+=(-c "$line"); done
  vtysh --vty_socket "$LAB/$1/frr" "${lines[@]}" >/dev/null
}
# Whether bfdd has understood our timers: frr_agrees HOST PEER TX_MS RX_MS MULTIPLIER
frr_agrees() {
  local keys="('remote-transmit-interval', 'remote-receive-interval', 'remote-detect-multiplier')"
  [[ $(frr_peers "$1" | $PYTHON "$PROBE" json "[p[k] for p in d if p['peer'] == '$2' for k in $keys]") == "[$3, $4, $5]" ]]
}
# frr_silence HOST: no BFD packet leaves this host any more; frr_speak ends that
frr_silence() {
  on "$1" nft 'add table inet cut; add chain inet cut out { type filter hook output priority 0; }'
  on "$1" nft 'add rule inet cut out udp dport 3784 drop'
}
frr_speak() { on "$1" nft delete table inet cut; }
between() { (($2 <= $3 && $3 <= $4)) || fail "$1: $3, expected $2 to $4"; say "$1: $3"; }   # between WHAT LEAST FOUND MOST

# ---- routers: zebra and bgpd ----
FRR_BGPD=/usr/lib/frr/bgpd FRR_ZEBRA=/usr/lib/frr/zebra
# frr_router HOST: starts both; the configuration of bgpd is on stdin
frr_router() {
  local directory=$LAB/$1/frr options
  mountpoint -q /var/tmp || mount -t tmpfs -o mode=1777 tmpfs /var/tmp   # each leaves a directory there
  mkdir -p "$directory"
  cat >"$directory/bgpd.conf"
  : >"$directory/zebra.conf"
  chown -R frr:frr "$directory"
  options=(--vty_socket "$directory" -P 0 -z "$directory/zserv")
  ip netns exec "$1" "$FRR_ZEBRA" "${options[@]}" -i "$directory/zebra.pid" -f "$directory/zebra.conf" --log stdout >>"$directory/zebra.log" 2>&1 &
  FRR[$1.zebra]=$!
  eventually 20 "zebra of $1" test -S "$directory/zserv" >/dev/null
  ip netns exec "$1" "$FRR_BGPD" "${options[@]}" -i "$directory/bgpd.pid" -f "$directory/bgpd.conf" --log stdout >>"$directory/bgpd.log" 2>&1 &
  FRR[$1.bgpd]=$!
  eventually 20 "bgpd of $1" frr_vty "$1" bgpd "show version" >/dev/null
}
frr_vty() { vtysh --vty_socket "$LAB/$1/frr" -d "$2" -c "$3"; }   # frr_vty HOST DAEMON COMMAND
frr_power_off() { local daemon; for daemon in zebra bgpd; do kill -KILL "${FRR[$1.$daemon]}"; wait "${FRR[$1.$daemon]}" 2>/dev/null || true; done; }
