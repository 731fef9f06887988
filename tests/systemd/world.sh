# Sourced by the tests with a real systemd: boots it as PID 1 in namespaces of its own (mount, pid, network, uts, ipc, cgroup), on the host's /usr, /etc and
# /var behind overlays, with egressd installed there as a package would do it. Nothing is written to the host; everything ends with the test.
#
#   boot [PATH=CONTENT…]       inside DIRECTION; then: world COMMAND… runs something in it
set -euo pipefail
WORLD_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORLD_TEST=$(basename "$0" .sh)
[[ -z ${EGRESSD:-} ]] || LAB_BUILT=1   # somebody brings a binary of their own
EGRESSD=${EGRESSD:-$WORLD_TOP/build/egressd}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8

[[ $(id -u) == 0 ]] || { echo "$WORLD_TEST: needs root" >&2; exit 1; }
for pair in systemctl:systemd pgrep:procps ip:iproute2 nft:nftables python3:python3; do
  [[ -n $(type -P "${pair%%:*}") ]] ||
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${pair#*:}" >/dev/null 2>&1 ||
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${pair#*:}" >/dev/null; }
done
[[ -x /lib/systemd/systemd ]] || { echo "$WORLD_TEST: no /lib/systemd/systemd" >&2; exit 1; }
[[ -x $EGRESSD && -n ${LAB_BUILT:-} ]] || "$WORLD_TOP/packaging/build"

cgroups=/sys/fs/cgroup
[[ ! -d $cgroups/unified ]] || cgroups=$cgroups/unified
remove_cgroup() {  # from the leaves up; what a crashed test left behind has no processes any more
  [[ -d $1 ]] || return 0
  find "$1" -depth -type d -exec rmdir {} \; 2>/dev/null || true
}
for old in "$cgroups/egressd-$WORLD_TEST-"*; do
  [[ -d $old && ! -d /proc/${old##*-} ]] && remove_cgroup "$old"
done
CGROUP=$cgroups/egressd-$WORLD_TEST-$$
WORLD_LOG=$(mktemp "/tmp/egressd-$WORLD_TEST-$$-XXXX")
PID1=""

say() { printf '%s\n' "· $*"; }
fail() { printf '%s\n' "FAILED: $*"; exit 1; }
equal() { [[ $2 == "$3" ]] || fail "$1: expected '$2', found '$3'"; say "$1: $3"; }
now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }
eventually() {
  local deadline=$(($(now_ms) + $1 * 1000)) what=$2 began
  began=$(now_ms)
  shift 2
  until "$@" >/dev/null 2>&1; do
    (($(now_ms) < deadline)) || fail "not within the deadline: $what"
    sleep 0.1
  done
  say "$what: after $(($(now_ms) - began)) ms"
}
world() { nsenter -t "$PID1" -m -p -n -u -i -C -r -w "$@"; }
finish() {
  local code=$?
  trap - EXIT
  if [[ $code != 0 && -n $PID1 ]]; then
    echo "==== $WORLD_TEST failed (exit $code) ===="
    world systemctl --no-pager --full status egressd.service 2>&1 | head -n 30 || true
    world journalctl --no-pager -n 60 -o short-monotonic 2>&1 || true
    tail -n 20 "$WORLD_LOG"
  fi
  [[ -z ${UNSHARE:-} ]] || { kill -KILL "$UNSHARE" 2>/dev/null || true; wait "$UNSHARE" 2>/dev/null || true; }
  rm -f "$WORLD_LOG"
  local i
  for ((i = 0; i < 50; ++i)); do
    [[ -d $CGROUP ]] || break
    remove_cgroup "$CGROUP"
    sleep 0.1
  done
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The inside before systemd: overlays, our files where a package puts them, nothing else that would start.
inside='
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/overlay
for path in usr etc var; do
  mkdir -p /run/overlay/$path/upper /run/overlay/$path/work
  mount -t overlay overlay -o lowerdir=/$path,upperdir=/run/overlay/$path/upper,workdir=/run/overlay/$path/work /$path
done
top=$1; binary=$2
install -D -m 755 "$binary" /usr/sbin/egressd
ln -sfn ../sbin/egressd /usr/bin/egressctl
cd "$top/systemd"
# Only the journal and what a test asks for: the host'\''s own services stay out.
rm -rf /usr/lib/systemd/system/*.wants /etc/systemd/system/*.wants /etc/systemd/system/*.requires
install -D -m 644 -t /usr/lib/systemd/system egressd.service egressd-release.service
install -D -m 644 -t /usr/lib/sysusers.d sysusers.d/egressd.conf
install -D -m 644 -t /usr/lib/tmpfiles.d tmpfiles.d/egressd.conf
install -D -m 644 -t /usr/lib/modules-load.d modules-load.d/egressd.conf
systemd-sysusers egressd.conf
systemd-tmpfiles --create egressd.conf
cat >/etc/systemd/system/lab.target <<UNIT
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
UNIT
mount -t tmpfs tmpfs /tmp
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
ip link add up0 type veth peer name up1
ip address add 203.0.113.11/24 dev up0
ip address add 2001:db8:1::11/64 dev up0 nodad
ip link set up0 up
ip link set up1 up
ip route add default via 203.0.113.254
printf "version: 1\nnode: {name: gw1, labels: {role: gateway}}\n" >/etc/egressd/egressd.yaml
cd /
# As on a real host: what systemd mounts for a service (its credentials) is seen by its own helpers. The peer group is of this namespace alone.
mount --make-rshared /
container=lab exec /lib/systemd/systemd --unit=lab.target --log-target=journal
'
boot() {
  mkdir "$CGROUP"
  ( echo $BASHPID >"$CGROUP/cgroup.procs"
    exec setpriv --pdeathsig KILL unshare --fork --kill-child --pid --mount --uts --ipc --net --cgroup --mount-proc bash -c "$inside" inside "$WORLD_TOP" "$EGRESSD" ) \
    >"$WORLD_LOG" 2>&1 &
  UNSHARE=$!
  local i
  for ((i = 0; i < 100; ++i)); do
    PID1=$(pgrep -P "$UNSHARE" 2>/dev/null | head -n1 || true)
    [[ -n $PID1 && $(cat "/proc/$PID1/comm" 2>/dev/null) == systemd ]] && break
    kill -0 "$UNSHARE" 2>/dev/null || { cat "$WORLD_LOG"; fail "systemd did not start"; }
    sleep 0.1
  done
  [[ -n $PID1 ]] || fail "no PID 1"
  eventually 20 "systemd runs as PID 1 ($PID1)" reached
}
reached() { [[ $(world systemctl is-active lab.target) == active ]]; }
main_pid() { world systemctl show -p MainPID --value egressd; }
