#!/bin/bash
# The host's own processes by user, on a source node (through the tunnel) and on the holder; traffic by the device that it enters through; where a
# selector counts; and egressd itself, which is never selected, whoever it runs as.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
workload b2 src1 9
ip -n src1 link add cafe0 type bridge mcast_snooping 0
ip -n src1 address add 172.18.0.1/16 dev cafe0
ip -n src1 link set cafe0 up
host guest
ip link add eth0 netns guest type veth peer name guest netns src1
ip -n src1 link set guest master cafe0 up
ip -n guest address add 172.18.0.2/16 dev eth0
ip -n guest link set eth0 up
ip -n guest route add default via 172.18.0.1
cp "$PROBE" "$LAB/probe_for_all.py"
chmod 755 "$LAB" "$LAB/probe_for_all.py"

# as NODE USER SERVER [PROTOCOL]: a process of the node talks; what the server saw
as() {
  forget
  on "$1" setpriv --reuid "$2" --regid 65534 --clear-groups $PYTHON "$LAB/probe_for_all.py" talk "${4:-udp}" "$3" >/dev/null 2>&1 || true
  sources "${4:-udp}" "$3"
}
from() { forget; talk "$1" udp "$2" >/dev/null 2>&1 || true; sources udp "$2"; }
explained() { ctl "$1" explain "$2" "$3" -o json | $PYTHON -c "import json,sys; d = json.load(sys.stdin); print(d['policy'] or 'none')"; }
policy() {
  cat <<YAML
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109], ipv6: ["2001:db8:1::100-2001:db8:1::109"]}}
gateways:
  edge: {default: true, nodes: [gw1, gw2], pool: public$1}
policies:
$2
YAML
}

start_cluster
say "by user"
policy "" '
  by_name: {from: {user: www-data}, egress_ip: {ipv4: 203.0.113.100, ipv6: "2001:db8:1::100"}}
  by_number: {from: {user: [4242, 4243]}, egress_ip: 203.0.113.101}
  elsewhere: {from: {user: 4300, node: src9}, egress_ip: 203.0.113.102}
  here: {from: {user: 4300, node: [src9, src1]}, egress_ip: 203.0.113.103, priority: 1001}
  not_out: {from: {user: 4400}, action: drop}' | apply src1
equal "a name" 203.0.113.100 "$(as src1 www-data $SERVER4)"
equal "a name over TCP" 203.0.113.100 "$(as src1 www-data $SERVER4 tcp)"
equal "a name over IPv6" 2001:db8:1::100 "$(as src1 www-data $SERVER6)"
equal "a number" 203.0.113.101 "$(as src1 4242 $SERVER4)"
equal "another number" 203.0.113.101 "$(as src1 4243 $SERVER4)"
equal "a policy without an address of that family" "" "$(as src1 4242 $SERVER6)"
equal "somebody else" 10.0.0.1 "$(as src1 4244 $SERVER4)"
equal "root" 10.0.0.1 "$(as src1 root $SERVER4)"
equal "on this node only" 203.0.113.103 "$(as src1 4300 $SERVER4)"
equal "dropped" "" "$(as src1 4400 $SERVER4)"
equal "a workload of the same node" 10.0.0.1 "$(from a1 $SERVER4)"
for node in gw1 gw2; do
  equal "on $node, perhaps the holder" 203.0.113.100 "$(as $node www-data $SERVER4)"
  equal "somebody else on $node" "203.0.113.1${node#gw}" "$(as $node 4244 $SERVER4)"
done
equal "explain" by_number "$(explained src1 user:4242 $SERVER4)"
equal "explain" none "$(explained src1 user:4244 $SERVER4)"
ctl src1 explain user:www-data "$SERVER4:9000" | grep "=> $SERVER4:9000 sees 203.0.113.100" || fail "explain does not say what the server sees"
ctl src1 explain user:nobody-knows "$SERVER4" >/dev/null 2>&1 && fail "an unknown user is explained"
say "to a node nothing is selected"
on src1 setpriv --reuid www-data --regid 65534 --clear-groups ping -c 1 -W 2 10.0.0.11 >/dev/null || fail "a selected process does not reach another node"

say "root, to any destination: the cluster lives, and checks of health come from the node itself"
policy ', health: [{tcp: "198.51.100.8:9000", every: 1s}]' '
  everything: {from: {user: root}, to: any, egress_ip: 203.0.113.104}' | apply src1
forget
sleep_until=$(($(now_ms) + 4000))
while (($(now_ms) < sleep_until)); do equal "alive" 3 "$(status src1 'd["cluster"]["alive"]')" >/dev/null; done
checked=$(sources tcp $OTHER4)
say "health checks came from: $checked"
[[ $checked == *203.0.113.1[12]* ]] || fail "no health check was seen"
[[ $checked != *203.0.113.104* ]] || fail "a health check was selected"
equal "root itself" 203.0.113.104 "$(as src1 root $SERVER4)"
equal "nothing lost" "[]" "$(status src1 '[h["code"] for h in d["health"] if h["severity"] == "error"]')"
holder=$(holder src1 203.0.113.104)
say "the connection of a process outlives its gateway ($holder)"
stream own src1 $SERVER4 8
eventually 5 "the stream runs" test -n "$(sources udp $SERVER4)"
kill_node "$holder"
on "$holder" ip link set under0 down
on "$holder" ip link set up0 down
stream_end own
streamed own '{k: v for k, v in d.items() if not isinstance(v, list)}'
equal "what the server saw" 203.0.113.104 "$(sources udp $SERVER4)"
on "$holder" ip link set under0 up
on "$holder" ip link set up0 up
ip -n "$holder" address replace "fd00:a::1${holder#gw}/64" dev under0 nodad
ip -n "$holder" address replace "2001:db8:1::1${holder#gw}/64" dev up0 nodad
ip -n "$holder" route replace default via 203.0.113.254
ip -n "$holder" -6 route replace default via 2001:db8:1::fe
start "$holder"
eventually 20 "all are back" alive_everywhere

say "a port that passes from one process to another within the memory of connection tracking"
policy "" '
  one: {from: {user: 4242}, egress_ip: 203.0.113.107}
  two: {from: {user: 4243}, egress_ip: 203.0.113.108}' | apply src1
from_port() {  # USER: a datagram from port 5555, without a wait for the answer
  forget
  on src1 setpriv --reuid "$1" --regid 65534 --clear-groups $PYTHON -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 5555))
s.settimeout(0.5)
s.sendto(b'x' * 64, ('$SERVER4', 9000))
try: s.recv(2000)
except TimeoutError: pass"
  sources udp $SERVER4
}
equal "its first process" 203.0.113.107 "$(from_port 4242)"
equal "the same again" 203.0.113.107 "$(from_port 4242)"
equal "a process of another policy" "" "$(from_port 4243)"
equal "a process of no policy" "" "$(from_port 4244)"
equal "counted" 2 "$(status src1 'd["datapath"]["counters"]["other_process"]')"
equal "from another port" 203.0.113.108 "$(as src1 4243 $SERVER4)"

say "by interface, with exceptions by source"
policy "" '
  cafe: {from: {interface: cafe0}, egress_ip: 203.0.113.105}
  both: {from: {interface: docker0, cidr: 172.17.0.2}, egress_ip: 203.0.113.106}' | apply src1
equal "through cafe0" 203.0.113.105 "$(from guest $SERVER4)"
equal "through docker0, from the network" 203.0.113.106 "$(from a1 $SERVER4)"
equal "through docker0, from another source" 10.0.0.1 "$(from b2 $SERVER4)"
equal "a process of the host" 10.0.0.1 "$(as src1 www-data $SERVER4)"

say "a policy that goes leaves nothing behind"
policy "" '  nobody: {from: {cidr: 192.0.2.77}}' | apply src1
equal "formerly root's" 10.0.0.1 "$(as src1 root $SERVER4)"
equal "no map of processes" "" "$(on src1 nft list table inet egressd | grep -E 'map (units|own[46])' || true)"
pass
