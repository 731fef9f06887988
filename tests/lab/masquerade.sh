#!/bin/bash
# Docker's own MASQUERADE for 172.17.0.0/16 and its FORWARD policy drop stand on the node, by nftables and by iptables: the egress IP wins.
LAB_PACKAGES=iptables
. "$(dirname "$0")/lab.sh"
LAB_NO_MASQUERADE=1 lab_cluster 1 1
masquerade src1
on src1 nft -f - <<'NFT'
table ip docker_like {
  chain forward {
    type filter hook forward priority filter; policy drop;
    oifname "docker0" ct state related,established accept
    iifname "docker0" oifname != "docker0" accept
  }
}
NFT
start_cluster
standard_policy | apply src1
leaves_with a1 $SERVER4 $EGRESS4
leaves_with a1 $SERVER6 $EGRESS6
leaves_with b1 $OTHER4 10.0.0.1

for tool in iptables-nft iptables-legacy; do
  on src1 nft delete table ip docker_like 2>/dev/null || true
  if ! on src1 "$tool" -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE 2>"$LAB/iptables.err"; then
    say "$tool cannot be used here: $(head -n1 "$LAB/iptables.err")"
    continue
  fi
  on src1 "$tool" -P FORWARD DROP
  on src1 "$tool" -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  on src1 "$tool" -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
  say "with $tool"
  leaves_with a1 $SERVER4 $EGRESS4
  leaves_with b1 $OTHER4 10.0.0.1
  on src1 "$tool" -t nat -F POSTROUTING
  on src1 "$tool" -P FORWARD ACCEPT
  on src1 "$tool" -F FORWARD
done
pass
