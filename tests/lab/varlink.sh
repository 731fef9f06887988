#!/bin/bash
# The control socket speaks Varlink: it names the interface io.egressd and describes it, and a description is what its methods do.
. "$(dirname "$0")/lab.sh"
lab_cluster 0 1
start_cluster
standard_policy | apply gw1
$PYTHON - "$LAB/gw1/run/control.sock" <<'PY' || fail "varlink"
import json, re, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect(sys.argv[1])
def call(method, **parameters):
    s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
    answer = b""
    while not answer.endswith(b"\0"):
        chunk = s.recv(65536)
        if not chunk:
            sys.exit(f"{method}: the connection was closed")
        answer += chunk
    return json.loads(answer[:-1])
info = call("org.varlink.service.GetInfo")["parameters"]
print(info)
assert "io.egressd" in info["interfaces"], info
text = call("org.varlink.service.GetInterfaceDescription", interface="io.egressd")["parameters"]["description"]
assert "interface io.egressd" in text, text
methods = re.findall(r"^method (\w+)", text, re.M)
print("methods:", *methods)
assert {"Apply", "GetStatus"} <= set(methods), methods
answer = call("io.egressd.GetStatus")
assert "error" not in answer and answer["parameters"], answer
answer = call("io.egressd.NoSuchMethod")
assert answer["error"] == "org.varlink.service.MethodNotFound", answer
PY
if [[ -n $(type -P varlinkctl) ]]; then varlinkctl introspect "$LAB/gw1/run/control.sock" io.egressd || fail "varlinkctl introspect"; fi
pass
