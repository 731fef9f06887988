#!/bin/bash
# apply before start: with the daemon down apply validates, stores, says so and exits 0; the first start puts it in force. status exits 3 meanwhile.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 1
node_files
standard_policy >"$LAB/policy.yaml"
code=0
ctl src1 status >"$LAB/out" 2>&1 || code=$?
equal "exit code of status without a daemon" 3 $code
# The paths of the node are the default ones here, in a mount namespace of its own.
cat >"$LAB/inside" <<BASH
set -e
mount -t tmpfs tmpfs /etc/egressd 2>/dev/null || { mount -t tmpfs tmpfs /mnt; cp -a /etc /mnt/etc; mkdir -p /mnt/etc/egressd; mount --bind /mnt/etc /etc; }
mount -t tmpfs tmpfs /var/lib
cp "$LAB/src1/egressd.yaml" /etc/egressd/egressd.yaml
sed -i 's|^policy_file:.*||; s|^workloads:.*||' /etc/egressd/egressd.yaml
"$LAB/egressctl" apply -f "$LAB/policy.yaml"
"$LAB/egressctl" apply -f "$LAB/bad.yaml" && exit 9 || [ \$? = 78 ]
exec "$EGRESSD"
BASH
echo 'version: one' >"$LAB/bad.yaml"
start gw1
ip netns exec src1 unshare --mount --propagation private bash "$LAB/inside" >"$LAB/src1/log" 2>&1 &
DAEMON[src1]=$!
answers() { "$LAB/egressctl" status >/dev/null 2>&1 || (($? == 1)); }
eventually 10 "the daemon runs on its default paths" answers
mkdir -p "$LAB/src1/run" && ln -sfn /run/egressd/control.sock "$LAB/src1/run/control.sock"
head -n 20 "$LAB/src1/log"
eventually 30 "the stored policy in force on every node" in_force_everywhere
leaves_with a1 $SERVER4 $EGRESS4
pass
