#include "ctl/verbs.h"

namespace egressd::ctl {

namespace {

constexpr Option kFile{"-f,--file", "FILE", "policy file, directory of *.yaml, or - for standard input; may be given several times"};

constexpr Option kWait{"--wait", "DUR", "how long to wait until it is done [30s]"};

}  // namespace

std::span<const Verb> Verbs() {
  static const std::vector<Verb> kVerbs{
      {"validate",
       "check a policy file, offline",
       {},
       {kFile, {"--node", nullptr, "the file is a node file"}, {"--strict", nullptr, "warnings fail too"}},
       Validate},
      {"convert",
       "make a policy file of Kubernetes manifests: egressctl convert -f egress.yaml > policy.yaml",
       {},
       {{"-f,--file", "FILE",
         "manifests of spidernet EgressGateway, Antrea, Kube-OVN or Cilium, directory of *.yaml, or - for standard input; may be given "
         "several times"},
        {"--report", nullptr, "say on standard error what became of every field"},
        {"--strict", nullptr, "exit 1 when a field was approximated or dropped"}},
       Convert},
      {"diff", "show what apply would change", {}, {kFile}, Diff},
      {"apply",
       "put a policy file into force on all nodes",
       {},
       {kFile, {"--wait", "DUR", "how long to wait for the other nodes [10s]"}},
       Apply},
      {"status", "this node's verdict on one screen", {}, {}, Status},
      {"get",
       "list nodes, gateways, policies, ips or workloads",
       {{"kind", "nodes, gateways, policies, ips, workloads"}, {"name", "only this one", false}},
       {{"-w,--watch", nullptr, "print again whenever it changes"}},
       Get},
      {"explain",
       "which policy decides about a flow, and why not the others",
       {{"source", "address, workload, namespace/workload, unit:NAME or user:NAME"}, {"destination", "ADDRESS[:PORT[/PROTO]]"}},
       {{"-i,--interface", "DEV", "the device through which the traffic enters this node"}},
       Explain},
      {"events", "what happened", {}, {{"-f,--follow", nullptr, "go on as things happen"}}, Events},
      {"metrics",
       "the metrics of this node, as Prometheus reads them",
       {},
       {{"--openmetrics", nullptr, "in the format of OpenMetrics 1.0"},
        {"--textfile", "PATH", "into this file, at once or not at all, for the textfile collector of the node_exporter"}},
       Metrics,
       "egressctl metrics | grep egress_ip_owner\n"
       "egressctl metrics --textfile /var/lib/prometheus/node-exporter/egressd.prom"},
      {"graph",
       "the cluster as a picture: policies, egress IPs, nodes, tunnels, health",
       {},
       {{"--dot", nullptr, "for Graphviz, instead of SVG"}},
       GraphVerb,
       "egressctl graph > cluster.svg\n"
       "egressctl graph --dot | dot -Tpdf > cluster.pdf"},
      {"drain",
       "have a node hand over its egress IPs and take none",
       {{"node", "the node [this one]", false}},
       {{"--for", "DUR", "until then; without it until undrain"}, kWait},
       Drain},
      {"undrain", "have a drained node take egress IPs again", {{"node", "the node [this one]", false}}, {}, Undrain},
      {"move", "hand an egress IP over to another node", {{"ip", "the egress IP"}, {"node", "who shall hold it"}}, {kWait}, Move},
      {"keys",
       "the gossip keys of the whole cluster",
       {{"action", "generate, list, install, use, remove, rotate, export"},
        {"object", "install: key file or -; use, remove: fingerprint", false}},
       {{"--force", nullptr, "use, remove, rotate: go on without dead nodes"}},
       Keys},
      {"reload", "have the daemon read its files again", {}, {}, Reload},
      {"version", "versions of this program and of the daemon", {}, {}, Version},
  };
  return kVerbs;
}

}  // namespace egressd::ctl
