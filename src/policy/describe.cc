#include "policy/describe.h"

#include <format>

#include "egressd/base/bit_rate.h"
#include "egressd/base/duration.h"
#include "egressd/policy/selection.h"

namespace egressd::policy {
namespace {

// "[a, b]", one element without brackets.
template <typename Range, typename Convert>
std::string List(const Range& range, const Convert& convert) {
  std::string text;
  for (const auto& element : range) {
    if (!text.empty()) text += ", ";
    text += convert(element);
  }
  return range.size() == 1 ? text : "[" + text + "]";
}

constexpr auto kToString = [](const auto& value) { return value.ToString(); };
constexpr auto kText = [](const auto& value) { return Text(value); };
constexpr auto kItself = [](const std::string& value) { return value; };

std::string YesNo(const bool& value) { return value ? "true" : "false"; }

std::string Text(const EgressIpChoice& choice) {
  switch (choice.kind) {
    case EgressIpChoice::Kind::kAuto:
      return "auto";
    case EgressIpChoice::Kind::kDefault:
      return "default";
    case EgressIpChoice::Kind::kNode:
      return "node";
    case EgressIpChoice::Kind::kAddress:
      break;
  }
  return List(choice.addresses, [](const AddressPair& pair) {
    std::string text = pair.ipv4 ? pair.ipv4->ToString() : "";
    if (pair.ipv4 && pair.ipv6) text += " with ";
    if (pair.ipv6) text += pair.ipv6->ToString();
    return text;
  });
}

std::string To(const Policy& policy) {
  if (policy.to == Reach::kExternal) return "external";
  if (policy.to == Reach::kAny) return "any";
  return List(policy.destinations, kText);
}

std::string Text(const BfdTimers& timers) {
  return std::format("{{min_rx: {}, min_tx: {}, multiplier: {}}}", FormatDuration(timers.min_rx), FormatDuration(timers.min_tx),
                     timers.multiplier);
}

std::string Text(const Labels& labels) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : labels) texts.push_back(key + "=" + value);
  return List(texts, kItself);
}

std::string Text(const Bandwidth& bandwidth) {
  std::vector<std::string> parts;
  const auto Add = [&](std::string_view key, std::uint64_t bits) {
    if (bits != 0) parts.push_back(std::format("{}: {}", key, FormatBits(bits)));
  };
  Add("egress", bandwidth.egress_bits);
  Add("ingress", bandwidth.ingress_bits);
  Add("burst", bandwidth.burst_bits);
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text.empty() ? "unlimited" : "{" + text + "}";
}

void Append(std::string& text, const std::string& term) {
  if (!text.empty()) text += ',';
  text += term;
}

}  // namespace

std::string Text(const Destination& destination) {
  const Prefix* prefix = std::get_if<Prefix>(&destination);
  return prefix != nullptr ? prefix->ToString() : "@" + std::get<std::string>(destination);
}

std::string Text(const PortRange& range) {
  const std::string protocol = range.protocol == 6     ? "tcp"
                               : range.protocol == 17  ? "udp"
                               : range.protocol == 132 ? "sctp"
                                                       : std::to_string(range.protocol);
  if (range.first == range.last) return std::format("{}/{}", protocol, range.first);
  return std::format("{}/{}-{}", protocol, range.first, range.last);
}

std::string Text(const Selector& selector) {
  std::string text;
  for (const Requirement& requirement : selector.labels) Append(text, ToString(requirement));
  if (selector.namespace_) Append(text, "namespace=" + *selector.namespace_);
  for (const Requirement& requirement : selector.namespace_labels) Append(text, "namespace:" + ToString(requirement));
  if (selector.name) Append(text, "name=" + *selector.name);
  if (!selector.cidrs.empty()) Append(text, "cidr=" + List(selector.cidrs, kToString));
  if (selector.interface) Append(text, "interface=" + *selector.interface);
  if (!selector.units.empty()) Append(text, "unit=" + List(selector.units, kItself));
  if (!selector.users.empty()) Append(text, "user=" + List(selector.users, kItself));
  if (!selector.nodes.empty()) Append(text, "node=" + List(selector.nodes, kItself));
  for (const Requirement& requirement : selector.node_labels) Append(text, "node:" + ToString(requirement));
  if (selector.all) Append(text, "all");
  return text;
}

std::string Text(const Subnet& subnet) {
  std::string text;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    if (const auto& router = subnet.router(family)) text += std::format("{}gateway {}", text.empty() ? "" : ", ", router->ToString());
  }
  if (subnet.vlan != 0) text += std::format(", vlan {}", subnet.vlan);
  return text;
}

std::string Text(Announce announce) {
  switch (announce) {
    case Announce::kLayer2: return "l2";
    case Announce::kBgp: return "bgp";
    case Announce::kNone: return "none";
  }
  return "?";
}

std::string Text(const HealthCheck& check) {
  const std::string often = std::format(", every: {}, fail: {}}}", FormatDuration(check.every), check.fail);
  return "{" + Target(check) + often;
}

std::string Target(const HealthCheck& check) {
  switch (check.kind) {
    case HealthCheck::Kind::kTcp:
      return "tcp: " + check.target.ToString();
    case HealthCheck::Kind::kIcmp:
      return "icmp: " + check.target.address.ToString();
    case HealthCheck::Kind::kHttp:
      break;
  }
  return std::format("http: http://{}{}", check.host, check.path);
}

Attributes Describe(const Policy& policy) {
  return {{"description", policy.description},
          {"namespace", policy.namespace_.value_or("any")},
          {"priority", std::to_string(policy.priority)},
          {"enabled", YesNo(policy.enabled)},
          {"from", List(policy.from, kText)},
          {"to", To(policy)},
          {"except", List(policy.except, kText)},
          {"ports", policy.ports.empty() ? "any" : List(policy.ports, kText)},
          {"action", std::string(ToString(policy.action))},
          {"gateway", policy.gateway.value_or("default")},
          {"egress_ip", Text(policy.egress_ip)},
          {"replicas", std::to_string(ReplicasOf(policy))},
          {"spread", policy.spread == Spread::kSource ? "source" : "flow"},
          {"prefer", policy.prefer == Prefer::kAny ? "any" : "local"},
          {"source", KeepsSource(policy) ? "preserve" : "masquerade"},
          {"on_no_gateway", policy.on_no_gateway == OnNoGateway::kDrop ? "drop" : "direct"},
          {"bandwidth", Text(policy.bandwidth)}};
}

Attributes Describe(const Gateway& gateway) {
  std::vector<std::string> nodes = gateway.nodes.names;
  for (const Requirement& requirement : gateway.nodes.labels) nodes.push_back(ToString(requirement));
  std::string addresses = gateway.default_ipv4 ? gateway.default_ipv4->ToString() : "";
  if (gateway.default_ipv4 && gateway.default_ipv6) addresses += ", ";
  if (gateway.default_ipv6) addresses += gateway.default_ipv6->ToString();
  return {{"default", YesNo(gateway.is_default)},
          {"nodes", List(nodes, kItself)},
          {"pool", List(gateway.pools, kItself)},
          {"default_ip", addresses.empty() ? "first of the pool" : addresses},
          {"interface", gateway.interface.value_or("auto")},
          {"announce", Text(gateway.announce)},
          {"max_ips_per_node", std::to_string(gateway.max_ips_per_node)},
          {"failback", YesNo(gateway.failback)},
          {"takeover", gateway.takeover == Takeover::kImmediate ? "immediate" : "strict"},
          {"restart_grace", FormatDuration(gateway.restart_grace)},
          {"bfd", gateway.bfd ? Text(*gateway.bfd) : "of the profile"},
          {"health", List(gateway.health, kText)}};
}

Attributes Describe(const Pool& pool) {
  return {{"ipv4", List(pool.ipv4, kToString)},
          {"ipv6", List(pool.ipv6, kToString)},
          {"exclude", List(pool.exclude, kToString)},
          {"pair", YesNo(pool.pair)},
          {"subnet", pool.subnet ? Text(*pool.subnet) : "of the nodes"}};
}

Attributes Describe(const Namespace& named) {
  return {{"labels", Text(named.labels)}, {"gateway", named.gateway.value_or("default")}};
}

Attributes Describe(const Workload& workload) {
  return {{"namespace", workload.namespace_},
          {"addresses", List(workload.addresses, kToString)},
          {"labels", Text(workload.labels)},
          {"node", workload.node.value_or("any")}};
}

Attributes Describe(const std::vector<Destination>& destinations) { return {{"list", List(destinations, kText)}}; }

}  // namespace egressd::policy
