# Sourced after lab.sh by tests that run FRR's bfdd (the package frr, bfdd alone) on a host of the lab. Before lab.sh: LAB_PACKAGES=$(frr_missing).
FRR_BFDD=/usr/lib/frr/bfdd
frr_missing() { [[ -x $FRR_BFDD ]] || echo frr; }
frr_needed() { [[ -x $FRR_BFDD ]] || { echo "SKIPPED: the package frr could not be installed, nothing was tested"; exit 0; }; }
declare -A FRR=()   # host → pid of its bfdd
# frr_config HOST: its configuration, on stdin
frr_config() { mkdir -p "$LAB/$1/frr"; cat >"$LAB/$1/frr/bfdd.conf"; chown -R frr:frr "$LAB/$1/frr"; }
frr_start() {  # frr_start HOST
  local directory=$LAB/$1/frr
  ip netns exec "$1" "$FRR_BFDD" --vty_socket "$directory" -i "$directory/pid" -P 0 --bfdctl "$directory/control" -z "$directory/zebra" \
    -f "$directory/bfdd.conf" --log "file:$directory/log" >/dev/null 2>&1 &
  FRR[$1]=$!
  eventually 5 "bfdd of $1 answers" frr_peers "$1" >/dev/null
}
frr_kill() { kill -KILL "${FRR[$1]}"; wait "${FRR[$1]}" 2>/dev/null || true; unset "FRR[$1]"; }   # frr_kill HOST
frr_peers() { vtysh --vty_socket "$LAB/$1/frr" -c 'show bfd peers json'; }
# frr HOST PEER KEY: what bfdd says of its session with this peer
frr() { frr_peers "$1" | $PYTHON "$PROBE" json "[p for p in d if p['peer'] == '$2'][0]['$3']"; }
frr_configure() {  # frr_configure HOST PEER LOCAL LINE…: of the peer
  local lines=(-c "configure terminal" -c bfd -c "peer $2 local-address $3") line
  for line in "${@:4}"; do lines+=(-c "$line"); done
  vtysh --vty_socket "$LAB/$1/frr" "${lines[@]}" >/dev/null
}
# Whether bfdd has understood our timers: frr_agrees HOST PEER TX_MS RX_MS MULTIPLIER
frr_agrees() {
  [[ "$(frr "$1" "$2" remote-transmit-interval) $(frr "$1" "$2" remote-receive-interval) $(frr "$1" "$2" remote-detect-multiplier)" == "$3 $4 $5" ]]
}
# frr_silence HOST: no BFD packet leaves this host any more; frr_speak ends that
frr_silence() { on "$1" nft 'add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out udp dport 3784 drop'; }
frr_speak() { on "$1" nft delete table inet cut; }
between() { (($2 <= $3 && $3 <= $4)) || fail "$1: $3, expected $2 to $4"; say "$1: $3"; }   # between WHAT LEAST FOUND MOST
