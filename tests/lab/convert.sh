#!/bin/bash
# Manifests of four other systems, converted and applied as they are: each workload leaves with the address that the other system promises it.
. "$(dirname "$0")/lab.sh"
lab_cluster 1 2
workload c1 src1 4
node_file src1 source
node_file gw1 'gateway, egress: "true", network-role: egress-gateway'
node_file gw2 'gateway, egress: "true", network-role: egress-gateway, egress-node: "true"'
cat >"$LAB/src1/workloads.d/lab.yaml" <<'YAML'
workloads:
  a: {addresses: [172.17.0.2, "fd00:17::2"], labels: {app: visitor, org: empire, class: mediabot}}
  b: {addresses: [172.17.0.3, "fd00:17::3"], labels: {app: web}, namespace: prod}
  c: {addresses: [172.17.0.4, "fd00:17::4"], labels: {app: web}, namespace: staging}
YAML
start_cluster
# converted < MANIFESTS: what comes out is valid, and in force
converted() {
  cat >"$LAB/manifests.yaml"
  "$LAB/egressctl" convert --report -f "$LAB/manifests.yaml" >"$LAB/converted.yaml" 2>"$LAB/report" || { cat "$LAB/report"; fail "convert: exit $?"; }
  "$LAB/egressctl" -q validate -f "$LAB/converted.yaml" || fail "what was converted is not valid"
  apply src1 <"$LAB/converted.yaml"
}

say "spidernet: the default address of the gateway, an address of a policy, the address of the gateway node"
converted <<'YAML'
apiVersion: egressgateway.spidernet.io/v1beta1
kind: EgressGateway
metadata: {name: eg1}
spec:
  ippools: {ipv4: [203.0.113.100-203.0.113.109], ipv4DefaultEIP: 203.0.113.105}
  nodeSelector: {selector: {matchLabels: {egress: "true"}}}
---
apiVersion: egressgateway.spidernet.io/v1beta1
kind: EgressPolicy
metadata: {name: visitor, namespace: default}
spec:
  egressGatewayName: eg1
  appliedTo: {podSelector: {matchLabels: {app: visitor}}}
---
apiVersion: egressgateway.spidernet.io/v1beta1
kind: EgressPolicy
metadata: {name: web, namespace: prod}
spec:
  egressGatewayName: eg1
  egressIP: {ipv4: 203.0.113.101}
  appliedTo: {podSelector: {matchLabels: {app: web}}}
  destSubnet: [198.51.100.7/32]
---
apiVersion: egressgateway.spidernet.io/v1beta1
kind: EgressPolicy
metadata: {name: web, namespace: staging}
spec:
  egressGatewayName: eg1
  egressIP: {useNodeIP: true}
  appliedTo: {podSelector: {matchLabels: {app: web}}}
YAML
leaves_with a1 $SERVER4 203.0.113.105
leaves_with b1 $SERVER4 203.0.113.101
leaves_with b1 $OTHER4 10.0.0.1
seen=$(talk c1 udp $SERVER4)
[[ $seen == 203.0.113.1[12] ]] || fail "c1 leaves with $seen, not with the address of a gateway node"

say "Antrea: an address of a pool, the first one that it gives away, and the other family as before"
converted <<'YAML'
apiVersion: crd.antrea.io/v1beta1
kind: ExternalIPPool
metadata: {name: external-ip-pool}
spec:
  ipRanges: [{cidr: 203.0.113.96/28}]
  nodeSelector: {matchLabels: {network-role: egress-gateway}}
---
apiVersion: crd.antrea.io/v1beta1
kind: Egress
metadata: {name: egress-prod-web}
spec:
  appliedTo:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: prod}}
    podSelector: {matchLabels: {app: web}}
  egressIP: 203.0.113.100
  externalIPPool: external-ip-pool
---
apiVersion: crd.antrea.io/v1beta1
kind: Egress
metadata: {name: egress-staging-web}
spec:
  appliedTo:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: staging}}
    podSelector: {matchLabels: {app: web}}
  externalIPPool: external-ip-pool
---
apiVersion: crd.antrea.io/v1beta1
kind: Egress
metadata: {name: egress-nobody}
spec:
  appliedTo: {}
  externalIPPool: external-ip-pool
YAML
leaves_with b1 $SERVER4 203.0.113.100
leaves_with c1 $SERVER4 203.0.113.97
leaves_with b1 $SERVER6 fd00:a::1
leaves_with a1 $OTHER4 10.0.0.1

say "Kube-OVN: two replicas at once for selected pods; networks without SNAT keep their addresses"
converted <<'YAML'
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: external}
spec:
  protocol: IPv4
  provider: eth1.default
  cidrBlock: 203.0.113.0/24
  gateway: 203.0.113.254
  excludeIps: [203.0.113.1..203.0.113.119]
---
apiVersion: kubeovn.io/v1
kind: VpcEgressGateway
metadata: {name: gateway1, namespace: default}
spec:
  replicas: 2
  externalSubnet: external
  bfd: {enabled: true, minRX: 300, minTX: 300}
  nodeSelector: [{matchLabels: {egress: "true"}}]
  selectors:
  - podSelector: {matchLabels: {app: web}}
  policies:
  - {snat: false, ipBlocks: [172.17.0.2/32]}
YAML
equal "nodes of the two egress IPs" '["gw1", "gw2"]' "$(status src1 'sorted(i["node"] for i in d["egress_ips"])')"
for workload in b1 c1; do
  seen=$(talk $workload udp $SERVER4)
  [[ $seen == 203.0.113.12[01] ]] || fail "$workload leaves with $seen, not with one of the two"
  leaves_with $workload $SERVER4 "$seen"
done
ip -n outside route add 172.17.0.2/32 via 203.0.113.120
leaves_with a1 $SERVER4 172.17.0.2

say "Cilium: one destination by the address that is named, another policy by the device of its node"
converted <<'YAML'
apiVersion: cilium.io/v2
kind: CiliumEgressGatewayPolicy
metadata: {name: egress-sample}
spec:
  selectors:
  - podSelector:
      matchLabels: {org: empire, class: mediabot, io.kubernetes.pod.namespace: default}
  destinationCIDRs: [198.51.100.7/32]
  egressGateway:
    nodeSelector: {matchLabels: {egress-node: "true"}}
    egressIP: 203.0.113.130
---
apiVersion: cilium.io/v2
kind: CiliumEgressGatewayPolicy
metadata: {name: by-device}
spec:
  selectors:
  - podSelector: {matchLabels: {io.kubernetes.pod.namespace: prod}}
    nodeSelector: {matchLabels: {role: source}}
  destinationCIDRs: [0.0.0.0/0]
  excludedCIDRs: [198.51.100.8/32]
  egressGateway:
    nodeSelector: {matchLabels: {egress-node: "true"}}
    interface: up0
YAML
leaves_with a1 $SERVER4 203.0.113.130
leaves_with a1 $OTHER4 10.0.0.1
equal "holder of the address" gw2 "$(holder src1 203.0.113.130)"
leaves_with b1 $SERVER4 203.0.113.12
leaves_with b1 $OTHER4 10.0.0.1
leaves_with b1 $SERVER6 fd00:a::1
leaves_with c1 $OTHER4 10.0.0.1
pass
