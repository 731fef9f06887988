#!/bin/bash
# A bad file changes nothing, exits 78 and names every finding with line and column; so does reload; an unreadable one exits 1.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
start_cluster
standard_policy | apply src1
look() { on src1 nft -s list ruleset; on src1 ip rule; on src1 ip route show table all; status src1 '[d["policy"], d["policies"]]'; }
look >"$LAB/before"
cat >"$LAB/bad.yaml" <<'YAML'
version: 1
pools:
  public: {ipv4: [203.0.113.100-203.0.113.99]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: privat}
policies:
  one:
    to: external
  two: {from: {cidr: [172.17.0.2/33]}, actoin: snat}
YAML
code=0
ctl src1 apply -f "$LAB/bad.yaml" >"$LAB/out" 2>&1 || code=$?
cat "$LAB/out"
equal "exit code of apply" 78 $code
for line in 3 5 7 9; do grep -q "bad.yaml:$line:[0-9]" "$LAB/out" || fail "no finding on line $line"; done
code=0
"$LAB/egressctl" validate -f "$LAB/bad.yaml" >/dev/null 2>&1 || code=$?
equal "exit code of validate" 78 $code
cp "$LAB/bad.yaml" "$LAB/src1/policy.yaml"
code=0
ctl src1 reload >"$LAB/out" 2>&1 || code=$?
((code != 0)) || fail "reload of a bad policy file succeeds"
grep -q "policy.yaml:3:[0-9]" "$LAB/out" || { cat "$LAB/out"; fail "reload does not say where"; }
code=0
ctl src1 apply -f "$LAB/nothing-here.yaml" >"$LAB/out" 2>&1 || code=$?
equal "exit code of apply without a file" 1 $code
look >"$LAB/after"
diff "$LAB/before" "$LAB/after" || fail "something has changed"
leaves_with a1 $SERVER4 $EGRESS4
pass
