#include "yaml/policy_reader.h"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "egressd/policy/limits.h"
#include "yaml/codes.h"

namespace egressd::yaml {
namespace {

constexpr auto kPolicyKeys = std::to_array<Key>({{"description"},
                                                 {"namespace"},
                                                 {"priority"},
                                                 {"enabled"},
                                                 {"from"},
                                                 {"to"},
                                                 {"except"},
                                                 {"ports"},
                                                 {"action"},
                                                 {"gateway"},
                                                 {"egress_ip"},
                                                 {"on_no_gateway"},
                                                 {"replicas"},
                                                 {"spread"},
                                                 {"prefer"},
                                                 {"source"},
                                                 {"bandwidth"}});
constexpr auto kBandwidthKeys = std::to_array<Key>({{"egress"}, {"ingress"}, {"burst"}});
constexpr auto kSelectorKeys = std::to_array<Key>({{"labels"},
                                                   {"select"},
                                                   {"namespace"},
                                                   {"name"},
                                                   {"cidr"},
                                                   {"interface"},
                                                   {"all"},
                                                   {"namespace_labels"},
                                                   {"unit"},
                                                   {"user"},
                                                   {"node"},
                                                   {"node_labels"}});

// A map of labels, or an expression as in `select:`.
std::vector<policy::Requirement> ReadLabels(Reader& reader, const Node& selector, std::string_view key) {
  const Node* node = Find(selector, key);
  if (node == nullptr) return {};
  return node->is_scalar() ? reader.Select(*node) : reader.LabelRequirements(*node);
}

std::vector<std::string> ReadNames(Reader& reader, const Node& selector, std::string_view key, std::string_view what) {
  std::vector<std::string> names;
  const Node* node = Find(selector, key);
  if (node == nullptr) return names;
  for (const Node* item : reader.SomeItems(*node, what, "name one, or leave the key out")) {
    if (auto name = reader.Name(*item, what)) names.push_back(std::move(*name));
  }
  return names;
}

// A user by number is no text.
std::vector<std::string> ReadUsers(Reader& reader, const Node& selector) {
  std::vector<std::string> users;
  const Node* node = Find(selector, "user");
  if (node == nullptr) return users;
  for (const Node* item : reader.SomeItems(*node, "a user", "name one, or leave the key out")) {
    const bool is_number = item->is_scalar() && !item->text.empty() && item->text.find_first_not_of("0123456789") == std::string::npos;
    if (is_number && (item->text == "0" || item->text.front() != '0')) {
      users.push_back(item->text);
    } else if (auto name = reader.Name(*item, "the name or number of a user")) {
      users.push_back(std::move(*name));
    }
  }
  return users;
}

policy::Selector ReadSelector(Reader& reader, const Node& node) {
  policy::Selector selector;
  if (!reader.Map(node, kSelectorKeys, "a selector")) return selector;
  if (node.entries.empty()) {
    reader.report().Error(node, kEmpty, "an empty selector selects nothing",
                          "write `all: true` for every source whose traffic the nodes forward");
  }
  if (const Node* labels = Find(node, "labels")) selector.labels = reader.LabelRequirements(*labels);
  if (const Node* select = Find(node, "select")) {
    for (policy::Requirement& requirement : reader.Select(*select)) selector.labels.push_back(std::move(requirement));
  }
  if (const Node* value = Find(node, "namespace")) selector.namespace_ = reader.Name(*value, "the name of a namespace");
  if (const Node* value = Find(node, "name")) selector.name = reader.Name(*value, "a pattern for names");
  if (const Node* value = Find(node, "interface")) selector.interface = reader.Name(*value, "the name of a device");
  if (const Node* networks = Find(node, "cidr")) {
    for (const Node* item : reader.SomeItems(*networks, "a network", "name a network, or leave the key out")) {
      if (const auto network = reader.Network(*item)) selector.cidrs.push_back(*network);
    }
  }
  if (const Node* all = Find(node, "all")) {
    const auto value = reader.Boolean(*all);
    if (value && !*value) reader.report().Error(*all, kEmpty, "`all: false` selects nothing", "remove the key");
    selector.all = value.value_or(false);
  }
  selector.namespace_labels = ReadLabels(reader, node, "namespace_labels");
  selector.units = ReadNames(reader, node, "unit", "the name of a systemd unit");
  selector.users = ReadUsers(reader, node);
  selector.nodes = ReadNames(reader, node, "node", "the name of a node");
  selector.node_labels = ReadLabels(reader, node, "node_labels");
  // Only where: then whatever comes from there.
  policy::Selector only_where{.nodes = selector.nodes, .node_labels = selector.node_labels};
  if (selector == only_where && selector != policy::Selector{}) selector.all = true;
  return selector;
}

std::vector<policy::Selector> ReadFrom(Reader& reader, const Node& node) {
  std::vector<policy::Selector> from;
  if (node.is_map()) {
    from.push_back(ReadSelector(reader, node));
  } else if (node.is_list() && !node.entries.empty()) {
    for (const Node::Entry& entry : node.entries) from.push_back(ReadSelector(reader, *entry.value));
  } else if (node.is_list()) {
    reader.report().Error(node, kEmpty, "an empty list selects nothing", "write a selector such as {labels: {app: web}}, or `all: true`");
  } else {
    reader.report().Error(node, kWrongKind, std::format("expected a selector or a list of them, found {}", Describe(node)),
                          "write a selector such as {labels: {app: web}} or {cidr: [172.18.0.0/16]}");
  }
  return from;
}

std::optional<policy::Destination> ReadDestination(Reader& reader, const Node& node) {
  if (!node.is_scalar() || !node.text.starts_with('@')) {
    if (node.is_scalar() && (node.text == "external" || node.text == "any")) {
      reader.report().Error(node, kBadWord, std::format("{} stands alone, not in a list", Quote(node.text)),
                            std::format("write `to: {}`", node.text));
      return std::nullopt;
    }
    const auto network = reader.Network(node);
    if (!network) return std::nullopt;
    return *network;
  }
  if (node.text.size() == 1) {
    reader.report().Error(node, kBadName, "`@` without a name", "write the name of an entry of `destinations:` behind it");
    return std::nullopt;
  }
  return node.text.substr(1);
}

void ReadTo(Reader& reader, const Node& node, policy::Policy& policy) {
  if (node.is_scalar() && node.text == "external") return;
  if (node.is_scalar() && node.text == "any") {
    policy.to = policy::Reach::kAny;
    return;
  }
  policy.to = policy::Reach::kListed;
  policy.destinations = ReadDestinations(reader, node);
}

void ReadEgressIp(Reader& reader, const Node& node, policy::EgressIpChoice& choice) {
  using Kind = policy::EgressIpChoice::Kind;
  constexpr auto kWords =
      std::to_array<std::pair<std::string_view, Kind>>({{"auto", Kind::kAuto}, {"default", Kind::kDefault}, {"node", Kind::kNode}});
  for (const auto& [word, kind] : kWords) {
    if (!node.is_scalar() || node.text != word) continue;
    choice.kind = kind;
    return;
  }
  const auto read = [&](const Node& item) {
    policy::AddressPair pair;
    ReadAddressPair(reader, item, pair.ipv4, pair.ipv6);
    if (pair.ipv4 || pair.ipv6) choice.addresses.push_back(pair);
  };
  if (node.is_list()) {
    if (node.entries.empty()) reader.report().Error(node, kEmpty, "an empty list of egress IPs", "name an address, or write `auto`");
    for (const Node::Entry& entry : node.entries) {
      const auto word = std::ranges::find(kWords, std::string_view(entry.value->text), &std::pair<std::string_view, Kind>::first);
      if (entry.value->is_scalar() && word != kWords.end()) {
        reader.report().Error(*entry.value, kBadWord, std::format("{} stands alone, not in a list", Quote(entry.value->text)),
                              std::format("write `egress_ip: {}`", entry.value->text));
      } else {
        read(*entry.value);
      }
    }
  } else {
    read(node);
  }
  if (!choice.addresses.empty()) choice.kind = Kind::kAddress;  // else reported; the model's rule holds
}

void ReadReplicas(Reader& reader, const Node& node, policy::Policy& policy) {
  reader.Number(node, "replicas", policy.replicas, 1, policy::kMostReplicas);
  constexpr auto kSpreads = std::to_array<std::pair<std::string_view, policy::Spread>>(
      {{"source", policy::Spread::kSource}, {"flow", policy::Spread::kFlow}});
  reader.Choice(node, "spread", policy.spread, kSpreads);
  constexpr auto kPreferences = std::to_array<std::pair<std::string_view, policy::Prefer>>(
      {{"any", policy::Prefer::kAny}, {"local", policy::Prefer::kLocal}});
  reader.Choice(node, "prefer", policy.prefer, kPreferences);
}

void ReadBandwidth(Reader& reader, const Node& node, policy::Bandwidth& bandwidth) {
  if (!reader.Map(node, kBandwidthKeys, "a bandwidth")) return;
  if (node.entries.empty()) {
    reader.report().Error(node, kEmpty, "an empty bandwidth limits nothing", "bandwidth: {egress: 800M, ingress: 500M}");
  }
  if (const Node* value = Find(node, "egress")) bandwidth.egress_bits = reader.Bits(*value, policy::kRateLimits).value_or(0);
  if (const Node* value = Find(node, "ingress")) bandwidth.ingress_bits = reader.Bits(*value, policy::kRateLimits).value_or(0);
  if (const Node* value = Find(node, "burst")) bandwidth.burst_bits = reader.Bits(*value, policy::kBurstLimits).value_or(0);
}

void ReadDecision(Reader& reader, const Node& node, policy::Policy& policy) {
  constexpr auto kActions = std::to_array<std::pair<std::string_view, policy::Action>>({{"snat", policy::Action::kSnat},
                                                                                        {"route", policy::Action::kRoute},
                                                                                        {"direct", policy::Action::kDirect},
                                                                                        {"drop", policy::Action::kDrop}});
  reader.Choice(node, "action", policy.action, kActions);
  constexpr auto kSources = std::to_array<std::pair<std::string_view, policy::Source>>(
      {{"masquerade", policy::Source::kMasquerade}, {"preserve", policy::Source::kPreserve}});
  reader.Choice(node, "source", policy.source, kSources);
  if (const Node* gateway = Find(node, "gateway")) policy.gateway = reader.Name(*gateway, "the name of a gateway");
  if (const Node* egress_ip = Find(node, "egress_ip")) {
    ReadEgressIp(reader, *egress_ip, policy.egress_ip);
  } else if (policy::LeavesFromOwnNode(policy)) {
    policy.egress_ip.kind = policy::EgressIpChoice::Kind::kNode;  // there is no pool to take another from
  }
  ReadReplicas(reader, node, policy);
  constexpr auto kWithoutGateway = std::to_array<std::pair<std::string_view, policy::OnNoGateway>>(
      {{"drop", policy::OnNoGateway::kDrop}, {"direct", policy::OnNoGateway::kDirect}});
  reader.Choice(node, "on_no_gateway", policy.on_no_gateway, kWithoutGateway);
  if (const Node* bandwidth = Find(node, "bandwidth")) ReadBandwidth(reader, *bandwidth, policy.bandwidth);
}

}  // namespace

std::vector<policy::Destination> ReadDestinations(Reader& reader, const Node& node) {
  std::vector<policy::Destination> destinations;
  for (const Node* item : reader.Items(node, "a network, an address or `@destinations`")) {
    if (auto destination = ReadDestination(reader, *item)) destinations.push_back(std::move(*destination));
  }
  return destinations;
}

policy::Policy ReadPolicy(Reader& reader, const Node& name, const Node& node) {
  policy::Policy policy{.name = name.text};
  if (!reader.Map(node, kPolicyKeys, "a policy")) return policy;
  if (const Node* value = Find(node, "description")) policy.description = reader.Text(*value, "a description").value_or("");
  if (const Node* value = Find(node, "namespace")) policy.namespace_ = reader.Name(*value, "the name of a namespace");
  reader.Number(node, "priority", policy.priority, 1);
  if (const Node* value = Find(node, "enabled")) policy.enabled = reader.Boolean(*value).value_or(true);
  if (const Node* from = Find(node, "from")) policy.from = ReadFrom(reader, *from);
  if (const Node* to = Find(node, "to")) ReadTo(reader, *to, policy);
  if (const Node* except = Find(node, "except")) policy.except = ReadDestinations(reader, *except);
  if (const Node* ports = Find(node, "ports")) {
    for (const Node* item : reader.SomeItems(*ports, "a port such as tcp/25", "leave the key out for every protocol and port")) {
      if (const auto range = reader.Ports(*item)) policy.ports.push_back(*range);
    }
  }
  ReadDecision(reader, node, policy);
  return policy;
}

}  // namespace egressd::yaml
