# Sourced by every lab test: hosts, networks, daemons, workloads and assertions.
#
# A test runs in namespaces of its own (mount, pid, network, uts, ipc) that the kernel takes away with the test, however it ends: daemons, network
# namespaces and files included. So tests run beside each other, and nothing of them is ever seen by, or left on, the host.
#
# The world that lab_cluster builds (every name is a network namespace):
#
#    a1 a2 …  workloads, 172.17.0.0/16 behind docker0           gw1 gw2 …  gateways
#        \                                                         |  |
#        src1 src2 …  ──────── under: 10.0.0.0/24 ──────────────── gw1  gw2
#                          |   fd00:a::/64                             |
#                     outside ───────────────── uplink: 203.0.113.0/24, 2001:db8:1::/64
#
#    outside is the router of both networks and the server on 198.51.100.7, 198.51.100.8, 2001:db8:ff::7, 2001:db8:ff::8: selected workloads talk
#    to …7, unselected ones to …8, so that a single packet that left with the wrong address is told apart by its destination.
set -euo pipefail

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_TOP=$(cd "$LAB_DIR/../.." && pwd)
LAB_TEST=$(basename "$0" .sh)
PROBE=$LAB_DIR/probe.py
PYTHON=/usr/bin/python3
LAB=/run/lab
[[ -z ${EGRESSD:-} ]] || LAB_NO_BUILD=1   # somebody brings a binary of their own
EGRESSD=${EGRESSD:-$LAB_TOP/build/egressd}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
# Nothing of the caller's shell decides how the tools behave.
unset EGRESSD_SOCKET

lab_install() {  # what the lab needs and a fresh machine lacks
  local missing=() pair
  for pair in ip:iproute2 nft:nftables ping:iputils-ping python3:python3 setpriv:util-linux sysctl:procps; do
    [[ -n $(PATH=/usr/sbin:/usr/bin:/sbin:/bin type -P "${pair%%:*}") ]] || missing+=("${pair#*:}")
  done
  /usr/bin/python3 -c 'import json, selectors, ipaddress' 2>/dev/null || missing+=(python3)
  [[ ${#missing[@]} == 0 ]] || lab_install_packages "${missing[@]}"
}
lab_install_packages() {
  echo "lab: installing $*" >&2
  (
    flock 7
    # A package's own daemon must not start on this host: the tests start what they need, in their namespaces.
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
      printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
      chmod +x /usr/sbin/policy-rc.d
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 ||
      { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null; }
  ) 7>/tmp/egressd-lab-install.lock
  rm -f /tmp/egressd-lab-install.lock
}

if [[ -z ${LAB_INSIDE:-} ]]; then
  [[ $(id -u) == 0 ]] || { echo "$LAB_TEST: needs root" >&2; exit 1; }
  lab_install
  [[ -n ${LAB_PACKAGES:-} ]] && { lab_install_packages $LAB_PACKAGES || true; }
  [[ -n ${LAB_NO_BUILD:-} || -x $EGRESSD && -n ${LAB_BUILT:-} ]] || "$LAB_TOP/packaging/build"
  # Each link of the chain dies with the one before: also after kill -9 of this shell nothing remains.
  exec setpriv --pdeathsig KILL env LAB_INSIDE=1 unshare --mount --propagation private --pid --fork --kill-child --net --uts --ipc \
    --mount-proc /bin/bash "$0" "$@"
fi
mount -t tmpfs tmpfs /run
mount -t sysfs sysfs /sys 2>/dev/null || true
mkdir -p "$LAB" /run/netns
ip link set lo up
declare -A DAEMON=()     # node → pid of its egressd
declare -A UNDERLAY=()   # node → underlay address
declare -a NODES=()
declare -a BACKGROUND=()

# ---- the verdict ----
lab_finish() {
  local code=$?
  trap - EXIT
  if [[ $code != 0 ]]; then
    echo "==== $LAB_TEST failed (exit $code); what the nodes say ===="
    local node
    for node in "${NODES[@]}"; do
      echo "---- $node: status"; timeout 5 "$LAB/egressctl" --socket "$LAB/$node/run/control.sock" status 2>&1 | head -60 || true
      echo "---- $node: last lines of the log"; tail -n "${LAB_LOG_LINES:-25}" "$LAB/$node/log" 2>/dev/null || true
      if [[ -n ${LAB_VERBOSE:-} ]]; then
        on "$node" nft list ruleset; on "$node" ip rule; on "$node" ip route show table all; on "$node" ip addr
      fi
    done
  fi
  exit "$code"   # the first process of the pid namespace ends, and everything with it
}
trap lab_finish EXIT
trap 'exit 130' INT TERM

say() { printf '%s\n' "· $*"; }
fail() { printf '%s\n' "FAILED: $*"; exit 1; }
pass() { printf '%s\n' "ok: $LAB_TEST"; exit 0; }
equal() {  # equal WHAT EXPECTED FOUND
  [[ $2 == "$3" ]] || fail "$1: expected '$2', found '$3'"
  say "$1: $3"
}
now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }
# eventually SECONDS WHAT COMMAND… : waits until the command succeeds
eventually() {
  local deadline=$(($(now_ms) + $1 * 1000)) what=$2 began
  began=$(now_ms)
  shift 2
  until "$@" >"$LAB/eventually.out" 2>&1; do
    (($(now_ms) < deadline)) || { head -c 2000 "$LAB/eventually.out"; fail "not within the deadline: $what"; }
    sleep 0.1
  done
  say "$what: after $(($(now_ms) - began)) ms"
}

# ---- hosts and networks ----
host() {  # host NAME: a network namespace with a directory
  ip netns add "$1"
  mkdir -p "$LAB/$1"
  ip -n "$1" link set lo up
  on "$1" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
    net.ipv4.conf.all.rp_filter="${LAB_RP_FILTER:-0}" net.ipv4.conf.default.rp_filter="${LAB_RP_FILTER:-0}" \
    net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv4.conf.all.accept_local=0 net.ipv4.ping_group_range="0 2147483647"
}
on() { local where=$1; shift; ip netns exec "$where" "$@"; }
network() { host "$1"; ip -n "$1" link add bridge type bridge mcast_snooping 0; ip -n "$1" link set bridge up; }
# plug HOST DEVICE NETWORK [ADDRESS/LENGTH…]: a cable; frames are as large on the wire as they look to a real card
plug() {
  local where=$1 device=$2 switch=$3 address
  shift 3
  ip link add "$device" netns "$where" type veth peer name "$where" netns "$switch"
  [[ -n ${LAB_OFFLOAD:-} ]] || { on "$where" $PYTHON "$PROBE" plain "$device"; on "$switch" $PYTHON "$PROBE" plain "$where"; }
  ip -n "$switch" link set "$where" master bridge up
  [[ -z ${LAB_RP_FILTER:-} ]] || on "$where" sysctl -qw net.ipv4.conf."$device".rp_filter="$LAB_RP_FILTER"
  for address in "$@"; do ip -n "$where" address add "$address" dev "$device" $([[ $address == *:* ]] && echo nodad); done
  ip -n "$where" link set "$device" up
}
# docker NODE [IPV4-NETWORK-PREFIX]: the bridge of a container engine, with the forwarding that every engine turns on
docker_bridge() {
  ip -n "$1" link add docker0 type bridge mcast_snooping 0
  ip -n "$1" address add 172.17.0.1/16 dev docker0
  ip -n "$1" address add fd00:17::1/64 dev docker0 nodad
  ip -n "$1" link set docker0 up
  on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}
# workload NAME NODE NUMBER: a container with 172.17.0.NUMBER and fd00:17::NUMBER behind the node's docker0
workload() {
  host "$1"
  ip link add eth0 netns "$1" type veth peer name "$1" netns "$2"
  ip -n "$2" link set "$1" master docker0 up
  ip -n "$1" address add "172.17.0.$3/16" dev eth0
  ip -n "$1" address add "fd00:17::$3/64" dev eth0 nodad
  ip -n "$1" link set eth0 up
  ip -n "$1" route add default via 172.17.0.1
  ip -n "$1" -6 route add default via fd00:17::1
}
# What Docker installs for its bridge, on the hook that it uses.
masquerade() {
  on "$1" nft -f - <<'NFT'
table ip docker_like {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
  }
}
table ip6 docker_like {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip6 saddr fd00:17::/64 oifname != "docker0" masquerade
  }
}
NFT
}
node() {  # node NAME NUMBER: a host on the underlay network that will run egressd
  host "$1"
  [[ " ${NODES[*]} " == *" $1 "* ]] || NODES+=("$1")
  mkdir -p "$LAB/$1/state" "$LAB/$1/run" "$LAB/$1/workloads.d"
  plug "$1" under0 under "10.0.0.$2/24" "fd00:a::$2/64"
  if [[ ${LAB_UNDERLAY:-4} == 6 ]]; then UNDERLAY[$1]=fd00:a::$2; else UNDERLAY[$1]=10.0.0.$2; fi
}
source_node() {
  node "$1" "$2"
  ip -n "$1" route add default via 10.0.0.254
  ip -n "$1" -6 route add default via fd00:a::fe
  docker_bridge "$1"
}
gateway_node() {
  node "$1" "$2"
  plug "$1" up0 uplink "203.0.113.$2/24" "2001:db8:1::$2/64"
  ip -n "$1" route add default via 203.0.113.254
  ip -n "$1" -6 route add default via 2001:db8:1::fe
}
outside() {
  host outside
  on outside sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
  plug outside under0 under 10.0.0.254/24 fd00:a::fe/64
  plug outside up0 uplink 203.0.113.254/24 2001:db8:1::fe/64
  local address
  for address in 198.51.100.7/32 198.51.100.8/32; do ip -n outside address add $address dev lo; done
  for address in 2001:db8:ff::7/128 2001:db8:ff::8/128; do ip -n outside address add $address dev lo nodad; done
  on outside $PYTHON "$PROBE" serve "$LAB/outside.sock" under0 up0 >"$LAB/outside/log" 2>&1 &
  BACKGROUND+=($!)
  eventually 10 "outside server" test -S "$LAB/outside.sock" >/dev/null
}

# lab_cluster SOURCES GATEWAYS: the world of the picture. Workloads: a<n> (selected) and b<n> (not selected) on src<n>.
lab_cluster() {
  local sources=$1 gateways=$2 n
  network under
  network uplink
  outside
  for ((n = 1; n <= sources; ++n)); do
    source_node "src$n" "$n"
    workload "a$n" "src$n" 2
    workload "b$n" "src$n" 3
    [[ -n ${LAB_NO_MASQUERADE:-} ]] || masquerade "src$n"
  done
  for ((n = 1; n <= gateways; ++n)); do gateway_node "gw$n" $((10 + n)); done
}

# ---- egressd ----
# node_file NODE ROLE [EXTRA LINES]: writes the node's egressd.yaml; join lists every node of the lab
node_file() {
  local node=$1 role=$2 extra=${3:-} join="" other
  for other in "${NODES[@]}"; do [[ $other == "$node" ]] || join+="${join:+, }\"${UNDERLAY[$other]}\""; done
  [[ -e $LAB/gossip.key ]] || (umask 077; head -c 32 /dev/urandom | base64 >"$LAB/gossip.key")
  cat >"$LAB/$node/egressd.yaml" <<YAML
version: 1
node: {name: $node, labels: {role: $role}, address: "${UNDERLAY[$node]}"}
cluster:
  name: lab
  join: [$join]
  key_file: $LAB/gossip.key
workloads: {directory: $LAB/$node/workloads.d}
policy_file: $LAB/$node/policy.yaml
$extra
YAML
}
node_files() {  # for every node of the lab that has none yet
  local node
  for node in "${NODES[@]}"; do
    [[ -e $LAB/$node/egressd.yaml ]] || node_file "$node" "$([[ $node == gw* ]] && echo gateway || echo source)"
  done
}
ln -sfn "$EGRESSD" "$LAB/egressctl"
start() {  # start NODE…, with the scheduling policy that the unit file gives the daemon: other programs do not keep it from its heartbeats
  local node
  for node in "$@"; do
    ip netns exec "$node" ${LAB_BEFORE-chrt --rr 10} "$EGRESSD" --config "$LAB/$node/egressd.yaml" --state-dir "$LAB/$node/state" --run-dir "$LAB/$node/run" \
      ${LAB_LOG_LEVEL:+--log-level "$LAB_LOG_LEVEL"} >>"$LAB/$node/log" 2>&1 &
    DAEMON[$node]=$!
  done
}
kill_node() {  # kill_node NODE [SIGNAL]: ends the daemon and waits for it
  kill -"${2:-KILL}" "${DAEMON[$1]}"
  wait "${DAEMON[$1]}" 2>/dev/null || true
  unset "DAEMON[$1]"
}
stop() { local node; for node in "$@"; do kill_node "$node" TERM; done; }
ctl() { local node=$1; shift; "$LAB/egressctl" --socket "$LAB/$node/run/control.sock" "$@"; }
# status NODE EXPRESSION: a Python expression over the status `d`
status() { ctl "$1" status -o json >"$LAB/$1/status.json" 2>"$LAB/$1/status.err" || (($? == 1)) || { cat "$LAB/$1/status.err"; return 1; }; $PYTHON "$PROBE" json "$2" <"$LAB/$1/status.json"; }
is() { [[ $("${@:2}") == "$1" ]]; }   # is EXPECTED COMMAND…

alive_everywhere() {
  local node
  for node in "${!DAEMON[@]}"; do is "${#DAEMON[@]}" status "$node" 'd["cluster"]["alive"]' || { echo "$node does not see everybody"; return 1; }; done
}
in_force_everywhere() {  # one generation everywhere, in sync, nothing unassigned or moving
  local node answer first=""
  for node in "${!DAEMON[@]}"; do
    answer=$(status "$node" '[d["policy"]["generation"], d["datapath"]["in_sync"], sorted(i["ip"]+"="+i["node"] for i in d["egress_ips"]), sorted(set(i["state"] for i in d["egress_ips"]))]')
    echo "$node: $answer"
    [[ $answer == *"true"* && $answer != '[0,'* && ( $answer == *'["held"]]' || $answer == *'[]]' ) ]] || return 1
    [[ -z $first || $first == "$answer" ]] || return 1
    first=$answer
  done
}
start_cluster() {
  node_files
  start "${NODES[@]}"
  eventually 30 "every node sees every other" alive_everywhere
}
apply() {  # apply NODE <policy on stdin>, and wait until every node follows
  cat >"$LAB/applied.new"   # what comes may be made from the file that was applied last
  mv "$LAB/applied.new" "$LAB/applied.yaml"
  ctl "$1" apply -f "$LAB/applied.yaml" >"$LAB/apply.out" 2>&1 || { local code=$?; cat "$LAB/apply.out"; fail "apply: exit $code"; }
  eventually 20 "policy in force on every node" in_force_everywhere
}
holder() { status "$1" "[i['node'] for i in d['egress_ips'] if i['ip'] == '$2'][0]"; }  # holder NODE EGRESS_IP
corrections() { status "$1" 'd["datapath"]["corrections"]'; }
corrected_since() { (($(corrections "$1") > $2)); }  # corrected_since NODE COUNT

# The policy of most tests: a<n> leaves with 203.0.113.100 and 2001:db8:1::100.
standard_policy() {
  cat <<YAML
version: 1
workloads:
  a: {addresses: [172.17.0.2, "fd00:17::2"], labels: {app: selected}}
  b: {addresses: [172.17.0.3, "fd00:17::3"], labels: {app: other}}
pools:
  public: {ipv4: [203.0.113.100-203.0.113.109], ipv6: ["2001:db8:1::100-2001:db8:1::109"]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}
policies:
  selected:
    from: {labels: {app: selected}}
    to: external
    egress_ip: {ipv4: 203.0.113.100, ipv6: "2001:db8:1::100"}
YAML
}
EGRESS4=203.0.113.100
EGRESS6=2001:db8:1::100

# ---- packets ----
outside_says() { $PYTHON "$PROBE" ask "$LAB/outside.sock" "$@"; }
forget() { outside_says forget >/dev/null; }
# sources PROTO SERVER: every source address from which the outside host got such packets since `forget`
sources() { outside_says sources "$1" "$2"; }
# talk WORKLOAD tcp|udp|icmp SERVER: one exchange; prints the source address that the server saw
talk() { on "$1" $PYTHON "$PROBE" talk "$2" "$3"; }
# leaves_with WORKLOAD SERVER EXPECTED: over TCP, UDP and ICMP the outside host gets this source address and no other, from the first packet on
leaves_with() {
  local proto answer
  forget
  for proto in tcp udp icmp; do
    answer=$(talk "$1" $proto "$2") || fail "$1 to $2 over $proto: no answer ($answer)"
    [[ $proto == icmp ]] || equal "$1 to $2 over $proto, as the server answered" "$3" "$answer"
  done
  for proto in tcp udp icmp; do equal "$1 to $2 over $proto, packets at the outside host came from" "$3" "$(sources $proto "$2")"; done
}
SERVER4=198.51.100.7 SERVER6=2001:db8:ff::7 OTHER4=198.51.100.8 OTHER6=2001:db8:ff::8
# A UDP stream in the background that the server echoes; stream_end waits for it, streamed tells.
stream() {  # stream NAME WORKLOAD SERVER SECONDS [PACKETS/S] [SOURCE PORT]
  ip netns exec "$2" $PYTHON "$PROBE" stream "$3" "$4" "${5:-1000}" "${6:-0}" >"$LAB/stream.$1" 2>&1 &
  STREAM_PID[$1]=$!
}
declare -A STREAM_PID=()
stream_stop() { kill -TERM "${STREAM_PID[$1]}"; }
stream_end() {  # stream_end NAME: waits for it (not in a subshell)
  wait "${STREAM_PID[$1]}" || { cat "$LAB/stream.$1"; fail "stream $1"; }
}
streamed() { $PYTHON "$PROBE" json "$2" <"$LAB/stream.$1"; }  # streamed NAME EXPRESSION: a Python expression over its counts `d`
