#!/bin/bash
# Planned handover: 5,000 packets/s in each direction and 300 open connections while an egress IP is moved, its gateway drained, its daemon stopped, and
# while it returns by itself. Nothing is lost, nothing ends.
#   tests/lab/drain.sh [MOVES]
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
moves=${1:-12}
lab_cluster 1 2
start_cluster
standard_policy | with_gateway "failback: false" | apply src1
flows_server $SERVER4
two_macs $EGRESS4
other_than() { [[ $1 == gw1 ]] && echo gw2 || echo gw1; }
rests_on() { agreed src1 gw1 gw2 && is "$1" holder src1 $EGRESS4; }
taken_by() { is "$(mac "$1")" ask macs owner $EGRESS4; }
count=0
moved_to() {  # moved_to GATEWAY HOW: the address has arrived there, everybody says so, and nothing was lost up to now
  eventually 15 "$2: $EGRESS4 on $1" rests_on "$1"
  ask macs forget >/dev/null
  eventually 5 "$1 answers" taken_by "$1" >/dev/null
  count=$((count + 1))
}
began_streams() {
  forget
  flows_open flows a1 $SERVER4 300 30 20000
  ask flows mark >/dev/null
  pair_begin a1 $SERVER4 5000
}
nothing_lost() {  # nothing_lost WHAT
  pair_lossless "$1"
  (($($PYTHON "$PROBE" json 'min(d["rate"], 5000)' <"$LAB/near.json") >= 4900)) || fail "the sender was too slow"
  ask flows mark >/dev/null
  equal "$1: connections and flows that go on" "[300, 30]" "$(counted '[d["tcp_alive"], d["udp_alive"]]' flows verdict 15)"
  equal "$1: sources outside" "$EGRESS4 $EGRESS4" "$(sources udp $SERVER4) $(sources tcp $SERVER4)"
  ask flows close >/dev/null
  dismiss flows
}

began_streams
while ((count < moves / 2)); do
  holder=$(holder src1 $EGRESS4) other=$(other_than "$holder")
  ctl src1 move $EGRESS4 "$other" || fail "egressctl move $EGRESS4 $other"
  moved_to "$other" "move"
done
nothing_lost "$count moves"

began_streams
until ((count >= moves * 3 / 4)); do
  holder=$(holder src1 $EGRESS4) other=$(other_than "$holder")
  ctl "$holder" drain || fail "egressctl drain on $holder"
  drained() { is drained status src1 "[n['state'] for n in d['cluster']['nodes'] if n['name'] == '$holder'][0]"; }
  moved_to "$other" "drain"
  eventually 5 "$holder is drained" drained
  ctl "$holder" undrain || fail "egressctl undrain on $holder"
  eventually 10 "$holder is no longer drained, the address stays" rests_on "$other"
done
nothing_lost "drains, $count handovers so far"

for round in 1 2; do
  holder=$(holder src1 $EGRESS4) other=$(other_than "$holder")
  began_streams
  stop "$holder"
  eventually 15 "stop: $EGRESS4 on $other" is "$other" holder src1 $EGRESS4
  ask macs forget >/dev/null
  eventually 5 "$other answers" taken_by "$other" >/dev/null
  nothing_lost "stop $round of the daemon that holds it"
  start "$holder"
  eventually 20 "$holder is back, the address stays" rests_on "$other"
done

# With failback the address goes home as soon as its gateway may hold it again.
standard_policy | with_gateway "failback: true" | apply src1
home=$(holder src1 $EGRESS4)
began_streams
until ((count >= moves)); do
  ctl src1 drain "$home" || fail "egressctl drain $home"
  moved_to "$(other_than "$home")" "drain"
  ctl src1 undrain "$home" || fail "egressctl undrain $home"
  moved_to "$home" "failback"
done
nothing_lost "failback, $count handovers"
pass
