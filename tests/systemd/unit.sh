#!/bin/bash
# systemd has nothing to say against the unit, and its exposure score is low.
. "$(dirname "$0")/world.sh"
boot
# systemd before 254 does not know RestartMode=, and does without it what it asks for.
findings=$(world systemd-analyze verify --man=no egressd.service egressd-release.service 2>&1 | grep -i 'egressd' | grep -v "Unknown key 'RestartMode'" || true)
equal "systemd-analyze verify" "" "$findings"
world systemd-analyze security --no-pager egressd.service | sed -n '/✗/p' | cut -c1-110 || true
line=$(world systemd-analyze security --no-pager egressd.service | grep 'Overall exposure')
say "$line"
score=$(grep -o '[0-9]*\.[0-9]' <<<"$line")
[[ -n $score && ${score%.*} -lt 3 ]] || fail "exposure $score"
world systemd-analyze cat-config modules-load.d/egressd.conf | grep -c vxlan >/dev/null || fail "modules-load.d"
equal "user of the service" egressd "$(world getent passwd egressd | cut -d: -f1)"
equal "state directory" "egressd 700" "$(world stat -c '%U %a' /var/lib/egressd)"
echo "ok: $WORLD_TEST"
