#!/bin/bash
# The holder's daemon stands still (SIGSTOP) or is gone (SIGKILL, nobody starts it again) while its kernel lives on: the address moves, and the outside
# never finds two hosts that answer for it, nor a packet by the old one after the new one has it. Under `takeover: immediate` and `strict`.
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/traffic.sh"
lab_cluster 1 2   # with `strict` the source node is the third voter
start_cluster
two_macs $EGRESS4 $EGRESS6
pulse_server $SERVER4
pulse_from pulse a1 $SERVER4
other_than() { [[ $1 == gw1 ]] && echo gw2 || echo gw1; }
says() { counted "d['$1']['$2']" macs report; }   # says ADDRESS FIELD
answered() { (($(says "$1" answered) > 0)); }
# one_holder WHAT: since `forget` no question was answered twice, nobody came back, and nothing left by a former holder
one_holder() {
  local address
  for address in $EGRESS4 $EGRESS6; do
    say "$1, $address: $(counted "{k: v for k, v in d['$address'].items() if k not in ('macs', 'since')}" macs report)"
    equal "$1, $address: questions answered by two MACs" 0 "$(says $address two)"
    equal "$1, $address: answers by a former holder" 0 "$(says $address returns)"
    equal "$1, $address: packets by a former holder" 0 "$(says $address stale)"
  done
}
both_on() { [[ $(holder src1 $EGRESS4) == "$1" && $(holder src1 $EGRESS6) == "$1" ]]; }
at_rest() { agreed src1 gw1 gw2 && both_on "$1"; }
silenced() {  # silenced TAKEOVER SIGNAL
  local holder other pid
  eventually 30 "$1: everybody agrees" agreed src1 gw1 gw2
  holder=$(holder src1 $EGRESS4)
  # Both addresses on one gateway, so that its silence concerns both.
  if [[ $(holder src1 $EGRESS6) != "$holder" ]]; then
    ctl src1 move $EGRESS6 "$holder" || fail "move $EGRESS6 $holder"
    eventually 15 "$EGRESS6 on $holder as well" at_rest "$holder"
  fi
  other=$(other_than "$holder")
  forget
  ask pulse begin >/dev/null
  is yes ask pulse steady 300 5000 || fail "no steady answers: $(ask pulse state)"
  ask macs forget >/dev/null
  eventually 5 "$holder answers for $EGRESS4" answered $EGRESS4 >/dev/null
  pid=${DAEMON[$holder]}
  if [[ $2 == STOP ]]; then kill -STOP "$pid"; else kill_node "$holder"; fi
  equal "$1, SIG$2: $other takes $EGRESS4" yes "$(ask macs until $EGRESS4 "$(mac "$other")" 15000)"
  is yes ask pulse steady 1000 5000 || fail "no steady answers after the takeover: $(ask pulse state)"
  eventually 10 "$EGRESS6 as well" is "$(mac "$other")" ask macs owner $EGRESS6
  say "$1, SIG$2: outage $(counted 'd["gap_ms"]' pulse end) ms"
  one_holder "$1, SIG$2"
  if [[ $2 == STOP ]]; then kill -CONT "$pid"; else start "$holder"; fi
  eventually 20 "$holder is back, everybody agrees" at_rest "$other"
  one_holder "$1, after SIG$([[ $2 == STOP ]] && echo CONT || echo "$2 and a start")"
  equal "$1: sources outside" $EGRESS4 "$(sources udp $SERVER4)"
}
for takeover in immediate strict; do
  standard_policy | with_gateway "takeover: $takeover" "restart_grace: 2s" | apply src1
  for signal in STOP KILL; do silenced $takeover $signal; done
done
pass
