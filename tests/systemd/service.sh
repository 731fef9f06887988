#!/bin/bash
# The unit under a real systemd: started (not as root, with two capabilities), reloaded with a good and with a bad file, killed, frozen, stopped.
. "$(dirname "$0")/world.sh"
boot
world tee /etc/egressd/policy.yaml >/dev/null <<'YAML'
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  one: {from: {cidr: [172.17.0.2]}, egress_ip: 203.0.113.100}
YAML
addresses() { world ip -o -4 address show up0 | grep -c '203\.0\.113\.10[0-9]/32' || true; }
holds() { [[ $(addresses) == "$1" ]]; }
state() { world systemctl is-active egressd || true; }
field() { world grep "^$1:" "/proc/$(main_pid)/status" | awk '{ print $2 }'; }

say "start"
world systemctl start egressd || fail "systemctl start"
equal "state" active "$(state)"
eventually 10 "the policy file is in force" holds 1
[[ $(world systemctl show -p StatusText --value egressd) != "" ]] || fail "no status text"
say "status text: $(world systemctl show -p StatusText --value egressd)"
[[ $(field Uid) != 0 ]] || fail "egressd runs as root"
equal "user" egressd "$(world ps -o user= -p "$(main_pid)")"
equal "effective capabilities (NET_ADMIN, NET_RAW)" 0000000000003000 "$(field CapEff)"
equal "bounding set" 0000000000003000 "$(field CapBnd)"
equal "scheduling" RR "$(world ps -o cls= -p "$(main_pid)" | tr -d " ")"
# Where this test itself may not lock memory, its systemd cannot allow it either.
if world grep -c '^Max locked memory *unlimited' "/proc/$(main_pid)/limits" >/dev/null; then
  [[ $(field VmLck) -gt 0 ]] || fail "no memory is locked"
fi
equal "no new privileges" 1 "$(field NoNewPrivs)"
equal "system call filter" 2 "$(field Seccomp)"
equal "forwarding written by the service" 1 "$(world sysctl -n net.ipv4.conf.up0.forwarding)"
equal "the control socket" "egressd egressd" "$(world stat -c '%U %G' /run/egressd/control.sock)"
world egressctl status || fail "egressctl status as root"

say "reload"
world sed -i 's/203.0.113.100}/203.0.113.105}/' /etc/egressd/policy.yaml
world systemctl reload egressd || fail "reload of a good file"
moved() { world ip -o -4 address show up0 | grep -c 203.0.113.105/32 >/dev/null; }
eventually 5 "the new policy is in force" moved
world sed -i 's/egress_ip: /egress_ipp: /' /etc/egressd/policy.yaml
world systemctl reload egressd && fail "reload of a bad file succeeds"
equal "state after a bad reload" active "$(state)"
moved || fail "a bad reload changed something"
world journalctl --no-pager -u egressd | grep -c 'policy.yaml:5:[0-9]' >/dev/null || fail "the journal does not say where the file is bad"
world sed -i 's/egress_ipp: /egress_ip: /' /etc/egressd/policy.yaml

say "kill -9"
before=$(main_pid)
world kill -KILL "$before"
restarted() { [[ $(main_pid) != 0 && $(main_pid) != "$1" && $(state) == active ]]; }
holds 1 || fail "the address went away with the daemon"
eventually 15 "restarted after kill -9" restarted "$before"
holds 1 || fail "the address went away over the restart"
equal "egressd-release.service" inactive "$(world systemctl is-active egressd-release || true)"
equal "restarts" 1 "$(world systemctl show -p NRestarts --value egressd)"

say "watchdog"
world mkdir -p /run/systemd/system/egressd.service.d
printf '[Service]\nWatchdogSec=2\n' | world tee /run/systemd/system/egressd.service.d/watchdog.conf >/dev/null
world systemctl daemon-reload
world systemctl restart egressd || fail "restart"
before=$(main_pid)
sleep 5
equal "nobody is ended who is well" "$before" "$(main_pid)"
world kill -STOP "$before"
eventually 20 "the frozen daemon is ended and started again" restarted "$before"
eventually 10 "holds its address again" holds 1

say "stop"
world systemctl stop egressd || fail "systemctl stop"
equal "state" inactive "$(state)"
equal "egress addresses after the stop" 0 "$(addresses)"

say "killed for good: egressd-release.service takes the address away"
printf '[Service]\nRestart=no\n' | world tee /run/systemd/system/egressd.service.d/restart.conf >/dev/null
world systemctl daemon-reload
world systemctl start egressd || fail "start"
eventually 10 "holds its address" holds 1
world kill -KILL "$(main_pid)"
eventually 10 "released" holds 0
failed() { [[ $(state) == failed ]]; }
eventually 5 "the unit has failed" failed
world rm -r /run/systemd/system/egressd.service.d
world systemctl daemon-reload
world systemctl reset-failed egressd

say "an invalid node file: exit 78, no restart"
world sed -i 's/^node:/nodes:/' /etc/egressd/egressd.yaml
world systemctl start egressd && fail "starts with an invalid node file"
sleep 2
equal "state" failed "$(state)"
equal "exit code" 78 "$(world systemctl show -p ExecMainStatus --value egressd)"
equal "restarts" 0 "$(world systemctl show -p NRestarts --value egressd)"
world journalctl --no-pager -u egressd | grep -c 'egressd.yaml:2:[0-9]' >/dev/null || fail "the journal does not say where the node file is bad"
world sed -i 's/^nodes:/node:/' /etc/egressd/egressd.yaml
world systemctl reset-failed egressd

say "the gossip key as a credential"
# Through standard input: a checkout below /tmp is not visible in there.
world bash -c 'mkdir -p "$0" && cat >"$0/key.conf"' /etc/systemd/system/egressd.service.d <"$WORLD_TOP/systemd/egressd.service.d/key.conf"
(umask 077; head -c 32 /dev/urandom | base64 >"$WORLD_LOG.key")
world install -m 600 -o root "$WORLD_LOG.key" /etc/egressd/gossip.key 2>/dev/null || world tee /etc/egressd/gossip.key >/dev/null <"$WORLD_LOG.key"
rm -f "$WORLD_LOG.key"
world chmod 600 /etc/egressd/gossip.key
world tee -a /etc/egressd/egressd.yaml >/dev/null <<<'cluster: {join: [203.0.113.12]}'
world systemctl daemon-reload
world systemctl start egressd || fail "start with the key as a credential"
equal "state" active "$(state)"
echo "ok: $WORLD_TEST"
