# Sourced by bench/failover: what one runs without egressd. A pair of NAT gateways with a virtual address on each side (keepalived, one VRRP group) and
# the connection table on both (conntrackd, FTFW, external cache, committed by the script that conntrackd documents for keepalived).
#
#    b1 b2 … ── src1 src2 … ──(10.0.0.30)── ka1 | ka2 ──(203.0.113.200)── outside
VIP_INSIDE=10.0.0.30 VIP_OUTSIDE=203.0.113.200
declare -A KA_NUMBER=([ka1]=31 [ka2]=32)
declare -A KA_PRIORITY=([ka1]=100 [ka2]=90)

# ka_host NAME: the host with its addresses, what it translates, and the stateful rules that conntrackd's documentation asks for: what comes before the
# connection table is committed must not become a new connection.
ka_host() {
  host "$1"
  plug "$1" under0 under "10.0.0.${KA_NUMBER[$1]}/24"
  plug "$1" up0 uplink "203.0.113.${KA_NUMBER[$1]}/24"
  ip -n "$1" route add default via 203.0.113.254
  on "$1" sysctl -qw net.ipv4.ip_forward=1
  on "$1" nft -f - <<NFT
table ip gateway {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr 10.0.0.0/24 oifname "up0" snat to $VIP_OUTSIDE
  }
  chain input {
    type filter hook input priority filter;
    iifname "up0" ct state established,related accept
    iifname "up0" ip protocol { icmp, vrrp } accept
    iifname "up0" drop
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "under0" oifname "up0" ct state new tcp flags & (fin | syn | rst | ack) == syn accept
    iifname "under0" oifname "up0" ct state new meta l4proto != tcp accept
  }
}
NFT
}
ka_files() {  # ka_files NAME ADVERTISEMENT_INTERVAL [GLOBAL LINE]
  local name=$1 interval=$2 global=${3:-} place=$LAB/$1 side
  cat >"$place/conntrackd.conf" <<CONF
Sync {
  Mode FTFW { }
  Multicast {
    IPv4_address 225.0.0.50
    Group 3780
    IPv4_interface 10.0.0.${KA_NUMBER[$name]}
    Interface under0
    SndSocketBuffer 1249280
    RcvSocketBuffer 1249280
    Checksum on
  }
}
General {
  HashSize 32768
  HashLimit 131072
  LogFile $place/conntrackd.log
  LockFile $place/conntrackd.lock
  UNIX { Path $place/conntrackd.ctl }
  NetlinkBufferSize 2097152
  NetlinkBufferSizeMaxGrowth 8388608
  Filter From Userspace {
    Protocol Accept { TCP UDP }
    Address Ignore {
      IPv4_address 127.0.0.1
      IPv4_address $VIP_INSIDE
      IPv4_address $VIP_OUTSIDE
      IPv4_address 10.0.0.31
      IPv4_address 10.0.0.32
      IPv4_address 203.0.113.31
      IPv4_address 203.0.113.32
    }
  }
}
CONF
  # The commands of conntrackd's own primary-backup.sh, and how long the commit took.
  cat >"$place/primary-backup.sh" <<SCRIPT
#!/bin/sh
run="/usr/sbin/conntrackd -C $place/conntrackd.conf"
case "\$1" in
  primary)
    began=\$(date +%s%N)
    \$run -c
    echo \$(((\$(date +%s%N) - began) / 1000)) >$place/commit_us
    \$run -f
    \$run -R
    \$run -B ;;
  backup)
    \$run -t
    \$run -n ;;
  fault) \$run -t ;;
esac
exit 0
SCRIPT
  chmod +x "$place/primary-backup.sh"
  {
    cat <<CONF
global_defs {
  router_id $name
  vrrp_version 3
  script_user root
  $global
}
vrrp_sync_group both {
  group { inside outside }
  notify_master "$place/primary-backup.sh primary"
  notify_backup "$place/primary-backup.sh backup"
  notify_fault "$place/primary-backup.sh fault"
}
CONF
    for side in "inside under0 61 $VIP_INSIDE/24" "outside up0 62 $VIP_OUTSIDE/24"; do
      set -- $side
      cat <<CONF
vrrp_instance $1 {
  state BACKUP
  nopreempt
  interface $2
  virtual_router_id $3
  priority ${KA_PRIORITY[$name]}
  advert_int $interval
  virtual_ipaddress { $4 }
}
CONF
    done
  } >"$place/keepalived.conf"
}
declare -A KA_PID=() CT_PID=()
ka_start() {  # ka_start NAME…
  local name
  for name in "$@"; do
    rm -f "$LAB/$name/conntrackd.lock" "$LAB/$name/conntrackd.ctl"
    ip netns exec "$name" conntrackd -C "$LAB/$name/conntrackd.conf" >>"$LAB/$name/log" 2>&1 &
    CT_PID[$name]=$!
    eventually 10 "conntrackd" test -S "$LAB/$name/conntrackd.ctl" >/dev/null
    ip netns exec "$name" keepalived -n -l -D -f "$LAB/$name/keepalived.conf" -p "$LAB/$name/keepalived.pid" -r "$LAB/$name/vrrp.pid" \
      >>"$LAB/$name/log" 2>&1 &
    KA_PID[$name]=$!
  done
}
ka_has() { [[ $(ip -n "$1" -o address show) == *" $VIP_INSIDE/"* && $(ip -n "$1" -o address show) == *" $VIP_OUTSIDE/"* ]]; }
ka_has_none() { [[ $(ip -n "$1" -o address show) != *" $VIP_INSIDE/"* && $(ip -n "$1" -o address show) != *" $VIP_OUTSIDE/"* ]]; }
ka_ready() { { ka_has ka1 && ka_has_none ka2; } || { ka_has ka2 && ka_has_none ka1; }; }
