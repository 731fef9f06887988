#!/bin/bash
# Policies about units of a real systemd: services, templates, slices; started again and again, and each packet looked at from outside.
. "$(dirname "$0")/world.sh"
boot
world ip netns add outside
world ip link set up1 netns outside
world ip -n outside link set lo up
world ip -n outside address add 203.0.113.254/24 dev up1
world ip -n outside address add 198.51.100.7/32 dev lo
world ip -n outside link set up1 up
world ip link set up0 up
world tee /root/outside.py >/dev/null <<'PYTHON'
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("198.51.100.7", 9000))
with open("/run/seen", "a", buffering=1) as seen:
    while True:
        data, (source, port) = server.recvfrom(2000)
        seen.write(f"{data.decode().strip()} {source}\n")
PYTHON
world ip netns exec outside /usr/bin/python3 /root/outside.py >/dev/null 2>&1 &
# One datagram, as soon as the process is there: nothing starts faster.
for unit in 'sender@' plain other; do
  world tee "/etc/systemd/system/$unit.service" >/dev/null <<UNIT
[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/bin/bash -c 'echo %n >/dev/udp/198.51.100.7/9000'
UNIT
done
world tee /etc/systemd/system/batch.service >/dev/null <<'UNIT'
[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
Slice=night.slice
ExecStart=/bin/bash -c 'echo %n >/dev/udp/198.51.100.7/9000'
UNIT
world tee /etc/systemd/system/talker.service >/dev/null <<'UNIT'
[Unit]
StartLimitIntervalSec=0
[Service]
Restart=always
RestartSec=0
ExecStart=/bin/bash -c 'exec 3<>/dev/udp/198.51.100.7/9000; while :; do echo %n >&3; sleep 0.02; done'
UNIT
world tee /etc/egressd/policy.yaml >/dev/null <<'YAML'
version: 1
pools: {public: {ipv4: [203.0.113.100-203.0.113.109]}}
gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}
policies:
  senders: {from: {unit: "sender@*.service"}, egress_ip: 203.0.113.100}
  plain: {from: {unit: [plain.service, talker.service]}, egress_ip: 203.0.113.101}
  night: {from: {unit: night.slice}, egress_ip: 203.0.113.102}
YAML
world systemctl daemon-reload
world systemctl start egressd || fail "systemctl start egressd"
held() { [[ $(world ip -o -4 address show up0 | grep -c '203\.0\.113\.10[0-9]/32') == 3 ]]; }
eventually 10 "the policy file is in force" held
seen() { world cat /run/seen 2>/dev/null | grep "^$1 " | cut -d' ' -f2 | sort -u | paste -sd, || true; }
count() { world cat /run/seen 2>/dev/null | grep -c "^$1 " || true; }
arrived() { (($(count "$1") > ${2:-0})); }
# The first packet to the server finds its neighbour, which may take a moment.
world ping -c 1 -W 2 198.51.100.7 >/dev/null || fail "no way outside"

say "each unit with its address"
world systemctl start sender@one plain batch other
for unit in sender@one plain batch other; do eventually 10 "$unit was heard" arrived "$unit.service"; done
equal "a template's instance" 203.0.113.100 "$(seen sender@one.service)"
equal "a service" 203.0.113.101 "$(seen plain.service)"
equal "a service in a slice" 203.0.113.102 "$(seen batch.service)"
equal "a service that no policy names" 203.0.113.11 "$(seen other.service)"

say "started again and again, with a new cgroup each time"
# A packet that is dropped is an error for who sends it.
for ((i = 0; i < 30; ++i)); do world systemctl start plain "sender@$i" 2>/dev/null || true; done
right=0
for ((i = 0; i < 30; ++i)); do
  found=$(seen "sender@$i.service")
  [[ -z $found || $found == 203.0.113.100 ]] || fail "sender@$i left with $found"
  [[ -z $found ]] || ((++right))
done
equal "the address of 30 restarts" 203.0.113.101 "$(seen plain.service)"
say "heard of the first packets: $right of 30 instances, $(($(count plain.service) - 1)) of 30 restarts; none with another address"
((right >= 15)) || fail "too many first packets were lost"
counter() { world egressctl status -o json | python3 -c "import json,sys; print(json.load(sys.stdin)['datapath']['counters']['$1'])"; }
say "dropped because their unit was not known yet: $(counter unknown_unit), because they had the port of another: $(counter other_process)"

say "a service that systemd restarts"
world systemctl start talker
eventually 10 "talker was heard" arrived talker.service
for ((i = 0; i < 5; ++i)); do
  before=$(count talker.service)
  world systemctl kill -s KILL talker
  eventually 10 "talker is back" arrived talker.service $((before + 10))
done
equal "its address" 203.0.113.101 "$(seen talker.service)"

say "explain says what the kernel does"
found=$(world egressctl explain unit:talker.service 198.51.100.7:9000/udp)
echo "$found"
[[ $found == *"sees 203.0.113.101"* ]] || fail "explain of a running unit"
world egressctl explain unit:sender@new.service 198.51.100.7:9000/udp | grep -q "sees 203.0.113.100" || fail "explain of a unit that does not run"
[[ $(world egressctl explain unit:other.service 198.51.100.7:9000/udp -o json | python3 -c "import json,sys; print(json.load(sys.stdin)['action'])") == none ]] ||
  fail "explain of another unit"
world systemctl stop talker

say "while the daemon stands still nothing leaves with another address"
frozen=$(main_pid)
world kill -STOP "$frozen"
world systemctl start sender@frozen plain 2>/dev/null || true
sleep 0.5
equal "of a unit that it has not seen" "" "$(seen sender@frozen.service)"
equal "of one that is new again" 203.0.113.101 "$(seen plain.service)"
world kill -CONT "$frozen"
heard() { world systemctl start sender@thawed || true; arrived sender@thawed.service; }
eventually 10 "and afterwards they are heard again" heard
equal "with their address" 203.0.113.100 "$(seen sender@thawed.service)"
equal "and no other unit was touched" 203.0.113.11 "$(seen other.service)"
echo "ok: $WORLD_TEST"
