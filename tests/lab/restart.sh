#!/bin/bash
# kill -9 and restart of egressd within 2 s, on a source node and on the gateway that holds the address: a stream of 1,000 packets/s loses nothing.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
start_cluster
standard_policy | apply src1
holder=$(holder src1 $EGRESS4)
for victim in src1 "$holder"; do
  forget
  stream s a1 $SERVER4 10
  sleep 2
  kill_node "$victim"
  began=$(now_ms)
  sleep 1.3
  start "$victim"
  eventually 10 "$victim answers" status "$victim" 1
  say "$victim was away for $(($(now_ms) - began)) ms"
  eventually 15 "in force again" in_force_everywhere
  stream_end s
  say "$victim: $(streamed s d)"
  equal "$victim: lost packets" 0 "$(streamed s 'd["lost"]')"
  equal "$victim: sources outside" $EGRESS4 "$(sources udp $SERVER4)"
  equal "$victim: holder" "$holder" "$(holder src1 $EGRESS4)"
done
pass
