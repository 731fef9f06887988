# Sourced after lab.sh by the tests that watch traffic while something dies: connections, pulses, who answers for an address, cuts.
FLOW_PORT=9100 PULSE_PORT=9101 PAIR_PORT=9102
declare -A TRAFFIC=()   # name → pid
# ask NAME WORD…: a question to one of the processes below
ask() { local name=$1; shift; $PYTHON "$LAB_DIR/controlled.py" "$LAB/$name.sock" "$@"; }
counted() { ask "${@:2}" | $PYTHON "$PROBE" json "$1"; }   # counted EXPRESSION NAME WORD…: of the answer `d`
launch() {  # launch NAME HOST PROGRAM ARGUMENT…: and wait until it can be asked
  local name=$1 where=$2 program=$3
  shift 3
  ip netns exec "$where" $PYTHON "$LAB_DIR/$program" "$@" >"$LAB/$name.out" 2>&1 &
  TRAFFIC[$name]=$!
  local deadline=$(($(now_ms) + 10000))
  until [[ -S $LAB/$name.sock ]]; do
    (($(now_ms) < deadline)) && kill -0 "${TRAFFIC[$name]}" 2>/dev/null || { cat "$LAB/$name.out"; fail "$name does not start"; }
    sleep 0.05
  done
}
dismiss() {  # dismiss NAME…
  local name
  for name in "$@"; do
    kill "${TRAFFIC[$name]}" 2>/dev/null || true
    wait "${TRAFFIC[$name]}" 2>/dev/null || true
    unset "TRAFFIC[$name]"
    rm -f "$LAB/$name.sock"
  done
}
traceback() { local name; for name in "$@"; do grep -H . "$LAB/$name.out" 2>/dev/null | tail -n 12 || true; done; }

# ---- thousands of connections ----
flows_server() {  # flows_server ADDRESS
  on outside sysctl -qw net.core.somaxconn=8192 net.ipv4.tcp_max_syn_backlog=16384 net.ipv4.tcp_syncookies=0 2>/dev/null || true
  launch "flows.$1" outside flows.py serve "$LAB/flows.$1.sock" "$1" $FLOW_PORT
}
flows_open() {  # flows_open NAME WORKLOAD SERVER TCP UDP FIRST_PORT: the ports FIRST_PORT and up
  launch "$1" "$2" flows.py open "$LAB/$1.sock" "$LAB/flows.$3.sock" "$3" $FLOW_PORT "$4" "$5" "$6"
  eventually 60 "$1: $4 TCP connections, $5 UDP flows" is "$4 $5" ask "$1" opened
}

# ---- pulses: 1,000 packets/s there and back ----
pulse_server() { ip netns exec outside $PYTHON "$LAB_DIR/pulse.py" echo "$1" $PULSE_PORT >"$LAB/echo.$1.out" 2>&1 & BACKGROUND+=($!); }
pulse_from() { launch "$1" "$2" pulse.py pulse "$LAB/$1.sock" "$3" $PULSE_PORT "${4:-1000}"; }   # pulse_from NAME WORKLOAD SERVER [RATE]

# ---- a pair of streams, one in each direction, counted one by one ----
pair_begin() {  # pair_begin WORKLOAD SERVER RATE
  launch far outside pulse.py far "$LAB/far.sock" "$2" $PAIR_PORT "$3"
  launch near "$1" pulse.py near "$LAB/near.sock" "$2" $PAIR_PORT "$3"
}
pair_end() {  # prints what was lost in both directions as "UP DOWN"; the ends' own words are in $LAB/near.json and $LAB/far.json
  ask near end >/dev/null
  ask far end >/dev/null
  sleep 0.5   # what is still under way may arrive
  ask near end >"$LAB/near.json"
  ask far end >"$LAB/far.json"
  dismiss near far
  $PYTHON -c 'import json, sys
near, far = (json.load(open(p)) for p in sys.argv[1:])
print(near["sent"] - far["received"], far["sent"] - near["received"])' "$LAB/near.json" "$LAB/far.json"
}
pair_lossless() {  # pair_lossless WHAT: ends it; not a packet may be missing
  local lost
  lost=$(pair_end)
  say "$1: workload $(cat "$LAB/near.json")"
  say "$1: server   $(cat "$LAB/far.json")"
  equal "$1: lost packets, up and down" "0 0" "$lost"
}

# ---- who answers for an address ----
two_macs() { launch macs outside two_macs.py "$LAB/macs.sock" up0 "$@"; }   # two_macs ADDRESS…
mac() { on "$1" cat /sys/class/net/up0/address; }

# ---- policies and node files ----
# with_gateway LINE…: the policy on standard input, its gateway with these keys, one a line
with_gateway() {
  $PYTHON -c 'import sys
edge = "  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}\n"
text = sys.stdin.read()
assert edge in text
lines = "".join(f"    {line}\n" for line in ["default: true", "nodes: {labels: {role: gateway}}", "pool: public", *sys.argv[1:]])
print(text.replace(edge, "  edge:\n" + lines), end="")' "$@"
}
# with_cluster FILE LINE…: these keys more in the `cluster` section of a node file
with_cluster() { local file=$1 line; shift; for line in "$@"; do sed -i "/^cluster:/a\\  $line" "$file"; done; }

# ---- a host that loses its power: nothing of it says a last word ----
power_loss() {  # power_loss GATEWAY
  local pids network
  on uplink nft list set bridge cuts dark >/dev/null 2>&1 || cuttable under uplink
  pids=$(ip netns pids "$1")
  [[ -z $pids ]] || kill -STOP $pids
  darken "$1" under uplink
  for network in under uplink; do
    if ip -n $network link show "$1" >/dev/null 2>&1; then ip -n $network link del "$1"; fi   # a source node has no uplink
  done
  [[ -z $pids ]] || kill -KILL $pids
  [[ -z ${DAEMON[$1]:-} ]] || { wait "${DAEMON[$1]}" 2>/dev/null || true; unset "DAEMON[$1]"; }
}
power_on() {  # power_on HOST: it is gone and may be made again
  ip netns del "$1"
  heal under
  heal uplink
}
power_back() {  # power_back GATEWAY NUMBER: the host is there again, with its disk and nothing in memory
  power_on "$1"
  gateway_node "$1" "$2"
}

# agreed NODE…: these nodes, whose daemons run, see each other alive, have one generation, are in sync, and name one holder for each egress IP
agreed() { $PYTHON "$LAB_DIR/agree.py" "$LAB/egressctl" "$LAB" "$@"; }

# ---- cuts: silent, in the switch ----
cuttable() {  # cuttable NETWORK…: from now on its cables can be cut
  local network
  for network in "$@"; do
    on "$network" nft -f - <<'NFT'
table bridge cuts {
  set dark { type ifname; }
  set silent { type ifname . ifname; }
  set daemons { type ifname . ifname; }
  chain forward {
    type filter hook forward priority 0;
    iifname @dark drop
    oifname @dark drop
    iifname . oifname @silent drop
    udp dport { 7947, 3784 } iifname . oifname @daemons drop
  }
}
NFT
  done
}
# cut NETWORK silent|daemons FROM TO: frames of this direction are lost; `daemons`: only what egressd says to egressd (gossip, BFD)
cut() { on "$1" nft add element bridge cuts "$2" "{ \"$3\" . \"$4\" }"; }
heal() { local set; for set in dark silent daemons; do on "$1" nft flush set bridge cuts $set; done; }   # heal NETWORK
# darken HOST NETWORK…: nothing passes its cables any more; those of several networks are cut at the same moment, as well as a shell can
darken() {
  local network pids=()
  for network in "${@:2}"; do on "$network" nft add element bridge cuts dark "{ \"$1\" }" & pids+=($!); done
  for network in "${pids[@]}"; do wait "$network"; done
}
# part NETWORK silent|daemons "GROUP" "GROUP": no frame between the hosts of two groups
part() {
  local left right elements=""
  for left in $3; do
    for right in $4; do elements+="\"$left\" . \"$right\", \"$right\" . \"$left\", "; done
  done
  on "$1" nft add element bridge cuts "$2" "{ ${elements%, } }"
}
