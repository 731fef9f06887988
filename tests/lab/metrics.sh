#!/bin/bash
# A real Prometheus reads a source node and two gateways: what it knows is what went over the wire; the split-brain rule is silent over a failover and a
# drain, and fires when two nodes have an address; every expression of the dashboard gives series; clients that misbehave keep nobody from anything.
LAB_PACKAGES=$([[ -n $(PATH=/usr/bin:/bin type -P prometheus) ]] || echo prometheus)
. "$(dirname "$0")/lab.sh"
[[ -n $(type -P prometheus) ]] || { echo "SKIPPED: the package prometheus could not be installed, nothing was tested"; exit 0; }
. "$LAB_DIR/traffic.sh"
RULES=$LAB_TOP/packaging/prometheus
promtool check rules "$RULES/egressd.rules.yaml" || fail "promtool check rules"
(cd "$RULES" && promtool test rules egressd.test.yaml) || fail "promtool test rules"
equal "alerts" 8 "$(grep -c 'alert:' "$RULES/egressd.rules.yaml")"

# ---- the world, with a network for Prometheus alone, so that it sees both sides of whatever falls apart ----
lab_cluster 1 2
cuttable under uplink
network mgmt
host prom
plug prom mg0 mgmt 10.9.0.254/24
declare -A AT=([src1]=10.9.0.1 [gw1]=10.9.0.11 [gw2]=10.9.0.12)
for node in src1 gw1 gw2; do
  plug $node mg0 mgmt "${AT[$node]}/24"
  node_file $node "$([[ $node == gw* ]] && echo gateway || echo source)" 'metrics: {listen: ":9799"}'
done
# An engine that should be there and is not: its series are there, too.
sed -i "s|^workloads: {|workloads: {docker: $LAB/no-engine.sock, |" "$LAB/src1/egressd.yaml"
mkdir -p "$LAB/prom/data"
sed 's|for: [0-9]*m$|for: 4s|' "$RULES/egressd.rules.yaml" >"$LAB/prom/rules.yaml"
cat >"$LAB/prom/prometheus.yml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: lab
    static_configs: [{targets: ["${AT[src1]}:9799", "${AT[gw1]}:9799", "${AT[gw2]}:9799"]}]
YAML
promtool check config "$LAB/prom/prometheus.yml" >/dev/null || fail "promtool check config"
ASK=$LAB_DIR/prometheus.py BASE=http://127.0.0.1:9090
ip netns exec prom prometheus --config.file="$LAB/prom/prometheus.yml" --storage.tsdb.path="$LAB/prom/data" --web.listen-address=127.0.0.1:9090 \
  >"$LAB/prom/log" 2>&1 &
prom() { on prom $PYTHON "$ASK" query $BASE "$1" | $PYTHON "$PROBE" json "$2"; }   # prom EXPRESSION PYTHON: over the list of (labels, value) `d`
fetch() { on prom $PYTHON "$ASK" fetch "http://${AT[$1]}:9799$2" "${@:3}"; }       # fetch NODE PATH [ACCEPT]
http() { fetch "$@" 2>&1 >/dev/null | awk '{ print $1 }'; }                             # its status
there() { is true prom "$1" "len(d) > 0 and ${2:-True}"; }                         # there EXPRESSION [PYTHON]
nothing() { is '[]' prom "$1" d; }
# A source node's clock and that of Prometheus are one: what happened before this is in the next scrape.
scraped() { sleep 1.2; }

# ---- ready when it is, not before ----
start gw1
eventually 5 "gw1 answers" is 200 http gw1 /healthz
equal "gw1 alone, /readyz" 503 "$(http gw1 /readyz)"
say "reason: $(fetch gw1 /readyz 2>/dev/null)"
start gw2 src1
eventually 30 "every node sees every other" alive_everywhere
standard_policy | apply src1
for node in src1 gw1 gw2; do eventually 20 "$node is ready" is 200 http $node /readyz; done
equal "another path" 404 "$(http gw1 /)"
for node in src1 gw1 gw2; do fetch $node /metrics 2>/dev/null | promtool check metrics || fail "promtool check metrics, $node"; done
equal "OpenMetrics, last line" "# EOF" "$(fetch gw1 /metrics application/openmetrics-text 2>/dev/null | tail -1)"
ctl gw1 metrics --openmetrics >"$LAB/openmetrics"
equal "egressctl, last line" "# EOF" "$(tail -1 "$LAB/openmetrics")"
ctl gw1 metrics --textfile "$LAB/gw1/egressd.prom" || fail "egressctl metrics --textfile"
promtool check metrics <"$LAB/gw1/egressd.prom" || fail "promtool check metrics, textfile"
equal "textfile: mode, and nothing beside it" "644 egressd.prom" "$(stat -c %a "$LAB/gw1/egressd.prom") $(cd "$LAB/gw1" && ls egressd.prom*)"
eventually 15 "Prometheus reads all three" is 3 prom 'sum(up)' 'int(d[0][1])'

# ---- what it knows is what went over the wire ----
holder=$(holder src1 $EGRESS4)
sent() { prom "sum(egressd_policy_packets_total{policy=\"selected\",ip=\"$1\",direction=\"$2\"})" 'int(d[0][1])'; }
scraped
up_before=$(sent $EGRESS4 sent) down_before=$(sent $EGRESS4 received)
stream one a1 $SERVER4 3 500
stream_end one
wire=$(streamed one 'd["sent"]') back=$(streamed one 'd["received"]')
counts_are() { [[ "$(sent $EGRESS4 sent) $(sent $EGRESS4 received)" == "$((up_before + wire)) $((down_before + back))" ]]; }
eventually 5 "of $EGRESS4 $wire packets sent and $back received, to the last one" counts_are
equal "who counts them" '[["selected", "'${AT[$holder]}:9799'"]]' "$(prom "egressd_policy_packets_total{ip=\"$EGRESS4\",direction=\"sent\"}" \
  '[[l["policy"], l["instance"]] for l, v in d]')"
there "rate(egressd_policy_bytes_total{ip=\"$EGRESS4\",direction=\"sent\"}[10s]) > 1000" || fail "no rate of bytes"
eventually 5 "connections through $EGRESS4" there "egressd_snat_connections{ip=\"$EGRESS4\"} > 0"
eventually 5 "source ports in use" there "egressd_snat_port_utilization_ratio{ip=\"$EGRESS4\"} > 0"
equal "workloads, on every node" "[2, 2, 2]" "$(prom 'egressd_policy_workloads{policy="selected"}' '[int(v) for l, v in d]')"
equal "addresses of the pool" '{"ipv4 free": 9, "ipv4 used": 1, "ipv6 free": 9, "ipv6 used": 1}' "$(prom \
  'max by (family, state) (egressd_pool_addresses{pool="public"})' '{k: w for k, w in sorted((l["family"] + " " + l["state"], int(v)) for l, v in d)}')"
# Connections are counted beside the loop, by a thread that cannot keep it from its heartbeats.
policies() { local task; for task in "/proc/${DAEMON[gw1]}/task/"*; do chrt -p "$(basename "$task")" | awk '/policy/ { print $NF }'; done | sort | xargs; }
equal "threads of the daemon" "SCHED_OTHER SCHED_RR" "$(policies)"
SPLIT='sum by (ip) (egressd_egress_ip_owner) != 1'
eventually 5 "each egress IP has one owner" nothing "$SPLIT"

# ---- a failover ----
other=$([[ $holder == gw1 ]] && echo gw2 || echo gw1)
if [[ $(holder src1 $EGRESS6) != "$holder" ]]; then ctl src1 move $EGRESS6 "$holder" >/dev/null || fail "move"; fi
scraped
darken "$holder" under uplink
kill_node "$holder"
eventually 10 "$other has taken both" is 2 prom "sum(egressd_egress_ip_owner{instance=\"${AT[$other]}:9799\"})" 'int(d[0][1])'
eventually 5 "both takeovers are told" there 'sum(egressd_egress_ip_moves_total{reason="node-dead"}) == 2'
eventually 5 "with their durations" there 'sum(egressd_failover_duration_seconds_count) == 2'
say "failover: $(prom 'sum(egressd_failover_duration_seconds_sum) / 2 * 1000' 'f"{d[0][1]:.1f} ms from verdict to kernel"')"
eventually 20 "EgressdPeerDown fires" there 'ALERTS{alertname="EgressdPeerDown",alertstate="firing"}'
eventually 10 "after it each egress IP has one owner" nothing "$SPLIT"
heal under
heal uplink
start "$holder"
eventually 30 "everybody agrees" agreed src1 gw1 gw2

# ---- a drain ----
ctl src1 drain "$other" >/dev/null || fail "drain"
eventually 5 "handed over, as the metrics say" there 'sum(egressd_egress_ip_moves_total{reason="handover"}) >= 2'
eventually 5 "drained nodes" there 'egressd_peers{state="drained"} == 1'
ctl src1 undrain "$other" >/dev/null
eventually 10 "after it each egress IP has one owner" nothing "$SPLIT"
equal "EgressdSplitBrain so far" '[]' "$(prom 'max_over_time(ALERTS{alertname="EgressdSplitBrain",alertstate="firing"}[10m])' d)"

# ---- two holders ----
holder=$(holder src1 $EGRESS4)
darken "$holder" under uplink
eventually 25 "both have $EGRESS4, and the expression says so" there "sum by (ip) (egressd_egress_ip_owner{ip=\"$EGRESS4\"}) != 1" 'd[0][1] == 2'
eventually 15 "EgressdSplitBrain fires" there "ALERTS{alertname=\"EgressdSplitBrain\",ip=\"$EGRESS4\",alertstate=\"firing\"}"
heal under
heal uplink
eventually 20 "healed: each egress IP has one owner" nothing "$SPLIT"
eventually 30 "everybody agrees" agreed src1 gw1 gw2

# ---- what others do to a node ----
holder=$(holder src1 $EGRESS4)
# A lease whose turn to be renewed comes within the milliseconds before the repair finds its set gone: then all of it is committed anew, which is
# no correction. So up to three times.
counted=""
for _ in 1 2 3; do
  on "$holder" nft delete table inet egressd
  for _ in {1..20}; do
    there "egressd_drift_corrections_total{instance=\"${AT[$holder]}:9799\",object=\"chain\"} > 0" && { counted=1; break 2; }
    sleep 0.2
  done
done
[[ -n $counted ]] || fail "what was put back is not counted by kind"
say "what was put back is counted by kind"
ip -n outside address add 203.0.113.105/24 dev up0
conflicting() { standard_policy | sed 's|ipv4: 203.0.113.100,|ipv4: 203.0.113.105,|'; }
conflicting >"$LAB/conflict.yaml"
ctl src1 apply -f "$LAB/conflict.yaml" >"$LAB/apply.out" 2>&1 || true   # nobody can have it, and that is the point
eventually 20 "another host has the address" there 'egressd_egress_ip_conflicts_total{ip="203.0.113.105"} > 0'
eventually 20 "EgressdEgressIpWithoutOwner fires" there 'ALERTS{alertname="EgressdEgressIpWithoutOwner",ip="203.0.113.105",alertstate="firing"}'
equal "EgressdProviderDown" '[["docker", "firing"]]' "$(prom 'ALERTS{alertname="EgressdProviderDown"}' '[[l["provider"], l["alertstate"]] for l, v in d]')"
ip -n outside address del 203.0.113.105/24 dev up0
standard_policy | apply src1
eventually 30 "everybody agrees" agreed src1 gw1 gw2

# ---- the dashboard ----
scraped
on prom $PYTHON "$ASK" dashboard $BASE "$LAB_TOP/packaging/grafana/egressd.json" lab 5m || fail "expressions of the dashboard without series"

# ---- clients that misbehave ----
silences() { prom 'sum(egressd_events_total{kind="bfd.down"}) or vector(0)' 'int(d[0][1])'; }
scraped
before=$(silences)
on prom $PYTHON "$ASK" hostile ${AT[gw1]} 9799 12 >"$LAB/hostile" 2>&1 & hostile=$!
slowest=0
while kill -0 $hostile 2>/dev/null; do
  began=$(now_ms)
  fetch gw1 /metrics >/dev/null 2>&1 || fail "no answer while others misbehave"
  took=$(($(now_ms) - began))
  ((took <= slowest)) || slowest=$took
done
wait $hostile || fail "hostile clients: $(cat "$LAB/hostile")"
say "misbehaved: $(cat "$LAB/hostile"); the slowest honest answer meanwhile took $slowest ms, python included"
((slowest < 3000)) || fail "an honest client waited for $slowest ms"
scraped
equal "Prometheus always got its answer" 1 "$(prom "min_over_time(up{instance=\"${AT[gw1]}:9799\"}[15s])" 'int(d[0][1])')"
equal "BFD sessions that this broke" "$before" "$(silences)"
there "egressd_http_responses_total{instance=\"${AT[gw1]}:9799\",code=\"400\"} > 10" || fail "refused requests are not counted"
there "egressd_http_connections_ended_total{instance=\"${AT[gw1]}:9799\",reason=\"pushed_out\"} > 10" || fail "connections that gave way are not counted"

# ---- the address is somebody else's ----
stop src1
ip netns exec src1 $PYTHON -c 'import socket, time
s = socket.create_server(("0.0.0.0", 9799)); time.sleep(600)' & squatter=$!
occupied() { [[ -n $(on src1 ss -Hltn 'sport = :9799') ]]; }
eventually 5 "port 9799 of src1 is taken" occupied
start src1
eventually 30 "everybody agrees" agreed src1 gw1 gw2
equal "finding" '["metrics"]' "$(status src1 '[h["object"] for h in d["health"] if h["code"] == "W159"]')"
kill $squatter
eventually 15 "the daemon has the port" is 200 http src1 /healthz
equal "finding, after that" '[]' "$(status src1 '[h["object"] for h in d["health"] if h["code"] == "W159"]')"
leaves_with a1 $SERVER4 $EGRESS4
pass
