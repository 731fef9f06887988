#!/bin/bash
# Containers of a real engine (podman's service, which speaks the Docker API) come and go while traffic flows: each is right from its first
# packet on, an address that changes its owner takes nothing along, and the kernel knows within 100 ms of a container's start. Under `guard` an
# unknown source reaches nothing outside. An engine that dies takes nothing with it.
#
#   tests/lab/containers.sh [ROUNDS]
LAB_PACKAGES="podman crun busybox-static netavark iptables"
. "$(dirname "$0")/lab.sh"
. "$LAB_DIR/podman.sh"
ROUNDS=${1:-20}
SHOP4=172.30.0.10 SHOP6=fd00:30::10

lab_cluster 1 2
engine src1
serve_api src1
podman_on src1 network create --ipv6 --subnet 172.30.0.0/24 --subnet fd00:30::/64 shop >/dev/null
podman_on src1 network create --subnet 172.31.0.0/24 back >/dev/null
node_file src1 source
sed -i "s#^workloads: {#&docker: off, podman: $LAB/src1/podman.sock, #" "$LAB/src1/egressd.yaml"
start_cluster
guarded_policy() { standard_policy | sed "s#^version: 1#&\nguard: [172.30.0.0/24, \"fd00:30::/64\"]#"; }
guarded_policy | apply src1

known() { ctl src1 get workloads -o json | $PYTHON "$PROBE" json "$1"; }
# Asks the server from its very first moment on, over ICMP and, with one new connection after the other, over TCP.
CHATTER='ping -q $0 >/dev/null 2>&1 & ping -q $1 >/dev/null 2>&1 & while :; do for s in $0 $1; do echo | nc -w 1 $s 9000 >/dev/null 2>&1; done; done'
# chatter NAME LABEL OPTIONS…: a container that talks to the selected workloads' server
chatter() {
  local name=$1 label=$2
  shift 2
  container src1 "$name" --label "app=$label" "$@" -- sh -c "$CHATTER" $SERVER4 $SERVER6 >/dev/null
}
gone() { podman_on src1 rm -f -t 0 "$1" >/dev/null; }
heard() { [[ -n $(sources icmp $SERVER4) && -n $(sources icmp $SERVER6) && -n $(sources tcp $SERVER4) && -n $(sources tcp $SERVER6) ]]; }
only() {  # only WHAT IPV4 IPV6: the server heard nobody else
  local proto
  for proto in icmp tcp; do
    [[ $(sources $proto $SERVER4) == "$2" ]] || fail "$1: $proto from $(sources $proto $SERVER4), not from $2"
    [[ $(sources $proto $SERVER6) == "$3" ]] || fail "$1: $proto from $(sources $proto $SERVER6), not from $3"
  done
}
NODE4=10.0.0.1 NODE6=fd00:a::1

say "what the engine says becomes workloads"
chatter web selected --label com.docker.compose.project=shop --network shop:ip=172.30.0.20 --network back:ip=172.31.0.20
container src1 unaddressed --label app=selected --network host -- sleep 600 >/dev/null
container src1 sharer --label app=other --network container:web -- sleep 600 >/dev/null
eventually 5 "web is known" is shop known '[i["namespace"] for i in d["items"] if i["name"] == "web"][0]'
equal "its addresses" '["172.30.0.20", "172.31.0.20"]' "$(known '[a for i in d["items"] if i["name"] == "web" for a in i["addresses"] if "." in a]')"
equal "its IPv6 addresses" 1 "$(known 'len([a for i in d["items"] if i["name"] == "web" for a in i["addresses"] if ":" in a])')"
equal "its labels" '{"app": "selected", "com.docker.compose.project": "shop"}' "$(known '[i["labels"] for i in d["items"] if i["name"] == "web"][0]')"
equal "containers without an address of their own" '[]' "$(known '[i["name"] for i in d["items"] if i["name"] in ("unaddressed", "sharer")]')"
gone sharer
podman_on src1 pause web >/dev/null
sleep 1
equal "addresses while it is paused" '["172.30.0.20", "172.31.0.20"]' "$(known '[a for i in d["items"] if i["name"] == "web" for a in i["addresses"] if "." in a]')"
podman_on src1 unpause web >/dev/null
podman_on src1 rename web www
eventually 5 "renamed" is 1 known 'len([i for i in d["items"] if i["name"] == "www"])'
gone www
eventually 5 "gone" is '[]' known '[i["name"] for i in d["items"] if i["name"] == "www"]'

say "$ROUNDS rounds: one address, now a selected container's, now another one's"
stream direct b1 $OTHER4 $((ROUNDS * 30 + 60)) 200
nsenter --net=/run/netns/src1 $PYTHON "$LAB_DIR/sync_times.py" "$LAB/src1/podman.sock" c $SHOP4 >"$LAB/times" 2>"$LAB/times.err" & times=$!
sleep 0.5
for ((round = 1; round <= ROUNDS; ++round)); do
  forget
  if ((round % 2)); then label=selected expected="$EGRESS4 $EGRESS6"; else label=other expected="$NODE4 $NODE6"; fi
  chatter c $label --network shop:ip=$SHOP4,ip=$SHOP6
  for ((i = 0; i < 100; ++i)); do heard && break; sleep 0.1; done
  heard || fail "round $round ($label): the server hears nothing: $(outside_says all)"
  gone c
  only "round $round ($label)" $expected
done
kill -TERM $times; wait $times || true
cat "$LAB/times.err"
times() { $PYTHON "$PROBE" json "$1" <"$LAB/times"; }
for what in start stop; do
  say "from the engine's event to the kernel, $what, ms: $(times "(lambda v: {'n': len(v), 'min': v[0], 'median': v[len(v)//2], 'p95': v[int(len(v)*.95)], 'max': v[-1]})(sorted(d['$what']))")"
  equal "$what events that the kernel followed" "$ROUNDS" "$(times "len(d['$what'])")"
done
# The engine's own answer is most of it. While it takes a container down it answers nothing about it: the end is heard of when that is over, and
# until then the address is nobody else's.
(($(times "int(sorted(d['start'])[len(d['start'])//2])") < 100)) || fail "the kernel follows too late"

say "the engine is killed: what it said stays, and status says so"
chatter kept selected --network shop:ip=$SHOP4,ip=$SHOP6
eventually 5 "kept is known" is 1 known 'len([i for i in d["items"] if i["name"] == "kept"])'
eventually 10 "heard" heard
kill -KILL $API; wait $API 2>/dev/null || true
eventually 5 "a finding" is '["podman"]' status src1 "[h['object'] for h in d['health'] if h['code'] == 'W158']"
forget
chatter unknown selected --network shop:ip=172.30.0.30
sleep 2
heard || fail "the container that was known is silent"
only "with the engine dead" $EGRESS4 $EGRESS6
(($(status src1 'd["datapath"]["counters"]["unknown_source"]') > 0)) || fail "the guard has dropped nothing"
said=$(ctl src1 explain 172.30.0.30 $SERVER4:9000/tcp -o json | $PYTHON "$PROBE" json 'd["action"] + " " + d["path"][0]')
[[ $said == *drop*guard*unknown_source* ]] || fail "explain: $said"
say "explain: $said"
podman_on src1 exec unknown ping -c 1 -W 2 -q 172.17.0.3 >/dev/null || fail "the guard touches what stays inside"

say "the engine comes back; egressd is killed three times beside it"
serve_api src1
eventually 10 "no finding any more" is '[]' status src1 "[h['object'] for h in d['health'] if h['code'] == 'W158']"
eventually 5 "the unknown one is known" is 1 known 'len([i for i in d["items"] if i["name"] == "unknown"])'
forget
eventually 10 "it leaves with the egress IP" heard
for round in 1 2 3; do
  kill_node src1
  start src1
  eventually 10 "src1 answers again" status src1 1
done
sleep 1
only "while egressd was killed" $EGRESS4 $EGRESS6
gone kept
gone unknown
stream_stop direct
stream_end direct
equal "packets that an unselected workload lost in all this" 0 "$(streamed direct 'd["lost"]')"
kill $API
pass
