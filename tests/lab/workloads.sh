#!/bin/bash
# The drop-in directory is followed live: a file that appears selects, one that goes away unselects, a broken one changes nothing and is reported.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
start_cluster
apply src1 <<'YAML'
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  mail: {from: {labels: {app: mail}}, to: external, egress_ip: 203.0.113.100}
YAML
from() { forget; talk a1 udp $SERVER4 >/dev/null 2>&1 || true; sources udp $SERVER4; }
equal "before the file" 10.0.0.1 "$(from)"
directory=$LAB/src1/workloads.d
echo 'workloads: {a: {addresses: [172.17.0.2], labels: {app: mail}}}' >"$directory/.a.yaml.new"
mv "$directory/.a.yaml.new" "$directory/a.yaml"
eventually 3 "selected by the file" is 203.0.113.100 from
echo 'workloads: {a: {addresses: [172.17.0.2' >"$directory/a.yaml"
eventually 3 "the broken file is reported" status src1 '1 / len([h for h in d["health"] if "a.yaml" in h["object"] + h["text"]])'
equal "the broken file" 203.0.113.100 "$(from)"
echo '{"workloads": {"a": {"addresses": ["172.17.0.9"], "labels": {"app": "mail"}}}}' >"$directory/b.json"
rm "$directory/a.yaml"
eventually 3 "unselected without the file" is 10.0.0.1 from
pass
