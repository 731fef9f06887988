#!/bin/bash
# FRR's bfdd is a valid peer of the daemon: bfdd runs in the place of one gateway's own BFD (the daemon there says that the port is taken).
# The other gateway's session with it comes up, has the timers of the policy, and tells silence, a standing process and a stop for what they
# are. Over IPv4, then over IPv6.
. "$(dirname "$0")/frr.sh"
LAB_PACKAGES=$(frr_missing)
if [[ -z ${LAB_INSIDE:-} && -z ${LAB_UNDERLAY:-} ]]; then
  for family in 4 6; do LAB_UNDERLAY=$family "$0" || exit; done
  exit 0
fi
. "$(dirname "$0")/lab.sh"
frr_needed
lab_cluster 1 2
GW1=${UNDERLAY[gw1]} GW2=${UNDERLAY[gw2]}
frr_config gw2 <<CONF
bfd
 peer $GW1 local-address $GW2
  detect-multiplier 3
  receive-interval 50
  transmit-interval 50
 !
!
CONF
frr_start gw2
start_cluster
[[ -n $(on gw1 ss -Hnul sport = :3784) ]] || fail "the daemon of gw1 does not listen on the port of BFD"
grep -q "another program speaks BFD on this host" "$LAB/gw2/log" || fail "the daemon of gw2 does not say that its BFD port is taken"
standard_policy | sed 's/  edge: {default: true,/& bfd: {min_rx: 100ms, min_tx: 80ms, multiplier: 3},/' | apply src1

says() { frr gw2 "$GW1" "$1"; }
up() { is up says status; }
down() { is down says status; }
eventually 20 "bfdd and the daemon of gw1 are up" up
eventually 20 "bfdd has the timers of the policy" frr_agrees gw2 "$GW1" 80 100 3

say "bfdd falls silent: the daemon notices, and says why"
frr_silence gw2
not_up() { [[ $(says status) != up ]]; }
eventually 20 "down" not_up
equal "why, at bfdd" "neighbor signaled session down" "$(says diagnostic)"
equal "why, at the daemon" "control detection time expired" "$(says remote-diagnostic)"
frr_speak gw2
eventually 20 "up again" up

say "the daemon stands still"
began=$(now_ms)
kill -STOP "${DAEMON[gw1]}"
eventually 20 "bfdd notices" down
between "ms until down (detection time 240)" 150 $(($(frr_down_ms gw2 "$GW1") - began)) 450
equal "why" "control detection time expired" "$(says diagnostic)"
kill -CONT "${DAEMON[gw1]}"
eventually 20 "up again" up

say "other timers"
sed 's/min_rx: 100ms, min_tx: 80ms, multiplier: 3/min_rx: 150ms, min_tx: 200ms, multiplier: 5/' "$LAB/applied.yaml" | apply src1
eventually 20 "bfdd has the new timers" frr_agrees gw2 "$GW1" 200 150 5
equal "still up" up "$(says status)"

say "the daemon stops"
stop gw1
eventually 20 "bfdd knows" down
equal "that it was on purpose" "administratively down" "$(says remote-diagnostic)"
pass
