#!/bin/bash
# The picture of a living cluster: well-formed, with everything in it; Graphviz draws the other form; a dead gateway shows.
[[ -n ${LAB_INSIDE:-} || -n $(type -P dot) ]] || export LAB_PACKAGES=graphviz
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
start_cluster
standard_policy | apply src1
eventually 10 "in force" in_force_everywhere >/dev/null
holder=$(status src1 'd["egress_ips"][0]["node"]')
ip=$(status src1 'd["egress_ips"][0]["ip"]')
words() { $PYTHON -c '
import sys, xml.etree.ElementTree as tree
print("\n".join("".join(e.itertext()) for e in tree.parse(sys.argv[1]).iter() if e.tag.endswith("text")))' "$1"; }

ctl src1 graph >"$LAB/cluster.svg" || fail "graph"
words "$LAB/cluster.svg" >"$LAB/words" || fail "not XML"
for text in src1 gw1 gw2 "$ip" selected; do grep -q "^$text" "$LAB/words" || fail "$text is not in the picture: $(cat "$LAB/words")"; done
ctl src1 graph --dot >"$LAB/cluster.dot" || fail "graph --dot"
dot -Tsvg "$LAB/cluster.dot" >"$LAB/drawn.svg" || fail "Graphviz does not take it"
words "$LAB/drawn.svg" | grep "^$ip" >/dev/null || fail "$ip is not in what Graphviz drew"
equal "what leads to the egress IP, and where it leads" "nodes/$holder" \
  "$(ctl src1 graph -o json | $PYTHON "$PROBE" json '[e["to"] for e in d["edges"] if e["from"] == "egress_ips/'"$ip"'"][0]')"

say "$holder dies"
kill_node "$holder"
dead() { ctl src1 graph -o json | $PYTHON "$PROBE" json '[n["mood"] for n in d["nodes"] if n["name"] == "'"$holder"'"][0]' | grep -x bad >/dev/null; }
eventually 10 "the picture shows it" dead
ctl src1 graph >"$LAB/cluster.svg"
words "$LAB/cluster.svg" | grep "^$holder · dead" >/dev/null || fail "no dead node in the picture"
[[ -z ${KEEP:-} ]] || cp "$LAB"/*.svg "$KEEP"
pass
