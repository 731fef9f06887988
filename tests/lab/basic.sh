#!/bin/bash
# A selected workload leaves with its own egress IP over TCP, UDP and ICMP, IPv4 and IPv6, from the first packet on; its unselected neighbour does not.
. "$(dirname "$0")/lab.sh"
lab_cluster 2 2
start_cluster
standard_policy | apply src1
for n in 1 2; do
  leaves_with "a$n" $SERVER4 $EGRESS4
  leaves_with "a$n" $SERVER6 $EGRESS6
  leaves_with "b$n" $OTHER4 "10.0.0.$n"
  leaves_with "b$n" $OTHER6 "fd00:a::$n"
done
# The holder counts what leaves and what comes back; a source node counts neither.
counted() { ctl "$1" get policies selected -o json | $PYTHON "$PROBE" json '[d["items"][0][way] and d["items"][0][way]["packets"] for way in ("sent", "received")]'; }
with=$(counted "$(holder src1 $EGRESS4)")
for n in 1 2; do talk "a$n" udp $SERVER4 >/dev/null; done
equal "packets sent and received after two more each way (before: $with)" "$($PYTHON -c "import json; print(json.dumps([n + 2 for n in json.loads('$with')]))")" \
  "$(counted "$(holder src1 $EGRESS4)")"
equal "what a source node counts" "[null, null]" "$(counted src1)"
equal "verdict" true "$(status gw1 'd["healthy"]')"
pass
