// The policy file, object by object; what the objects mean together is policy::Validate's.
#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "egressd/policy/limits.h"
#include "egressd/yaml/yaml.h"
#include "yaml/codes.h"
#include "yaml/located.h"
#include "yaml/policy_reader.h"

namespace egressd::yaml {
namespace {

constexpr auto kFileKeys = std::to_array<Key>({{"version"},
                                               {"internal"},
                                               {"workloads"},
                                               {"destinations"},
                                               {"pools"},
                                               {"gateways"},
                                               {"policies"},
                                               {"guard"},
                                               {"namespaces"}});
constexpr auto kNamespaceKeys = std::to_array<Key>({{"labels"}, {"gateway"}});
constexpr auto kPoolKeys = std::to_array<Key>({{"ipv4"}, {"ipv6"}, {"exclude"}, {"pair"}, {"subnet"}});
constexpr auto kSubnetKeys = std::to_array<Key>({{"gateway"}, {"prefix"}, {"vlan"}});
constexpr auto kFamilyKeys = std::to_array<Key>({{"ipv4"}, {"ipv6"}});

std::vector<AddressRange> ReadRanges(Reader& reader, const Node& pool, std::string_view key, std::optional<Family> family) {
  std::vector<AddressRange> ranges;
  const Node* node = Find(pool, key);
  if (node == nullptr) return ranges;
  for (const Node* item : reader.Items(*node, "an address, range or network")) {
    const auto range = reader.Range(*item);
    if (!range) continue;
    if (family && range->family() != *family) {
      reader.report().Error(*item, kBadAddress, std::format("{} stands under `{}`", Quote(item->text), key),
                            std::format("move it to `{}`", ToString(range->family())));
      continue;
    }
    ranges.push_back(*range);
  }
  return ranges;
}

// A number, or {ipv4: …, ipv6: …}. One number is that of the only router.
void ReadLengths(Reader& reader, const Node& node, policy::Subnet& subnet) {
  const auto read = [&](const Node& value, Family family) {
    const auto length = reader.Number(value, 1, static_cast<std::uint64_t>(AddressBits(family)));
    auto& router = family == Family::kIpv4 ? subnet.ipv4 : subnet.ipv6;
    if (length && router) router->length = static_cast<std::uint8_t>(*length);
  };
  if (node.is_scalar()) {
    if (subnet.ipv4 && subnet.ipv6) {
      reader.report().Error(node, kWrongKind, "one length for a gateway of each family", "write `prefix: {ipv4: 24, ipv6: 64}`");
      return;
    }
    return read(node, subnet.ipv6 ? Family::kIpv6 : Family::kIpv4);
  }
  if (!reader.Map(node, kFamilyKeys, "lengths by family")) return;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const Node* value = Find(node, ToString(family));
    const bool has_router = (family == Family::kIpv4 ? subnet.ipv4 : subnet.ipv6).has_value();
    if (value != nullptr) read(*value, family);
    if ((value != nullptr) == has_router) continue;
    reader.report().Error(value == nullptr ? node : *value, kMissing,
                          value == nullptr ? std::format("`gateway` has an {} router, but `prefix` no length for it", ToString(family))
                                           : std::format("`prefix` has a length for {}, but `gateway` no router", ToString(family)),
                          "name the same families under both");
  }
}

std::optional<policy::Subnet> ReadSubnet(Reader& reader, const Node& node) {
  if (!reader.Map(node, kSubnetKeys, "a subnet")) return std::nullopt;
  policy::Subnet subnet;
  const Node* gateway = Find(node, "gateway");
  const Node* prefix = Find(node, "prefix");
  if (gateway == nullptr || prefix == nullptr) {
    reader.report().Error(node, kMissing, std::format("a subnet needs `{}`", gateway == nullptr ? "gateway" : "prefix"),
                          "write {gateway: 203.0.113.1, prefix: 24}");
    return std::nullopt;
  }
  std::optional<IpAddress> ipv4, ipv6;
  ReadAddressPair(reader, *gateway, ipv4, ipv6);
  if (ipv4) subnet.ipv4 = Prefix::Of(*ipv4);
  if (ipv6) subnet.ipv6 = Prefix::Of(*ipv6);
  if (!ipv4 && !ipv6) return std::nullopt;
  ReadLengths(reader, *prefix, subnet);
  reader.Number(node, "vlan", subnet.vlan, 1, policy::kLastVlan);
  return subnet;
}

policy::Pool ReadPool(Reader& reader, const Node& name, const Node& node) {
  policy::Pool pool{.name = name.text};
  if (!reader.Map(node, kPoolKeys, "a pool")) return pool;
  pool.ipv4 = ReadRanges(reader, node, "ipv4", Family::kIpv4);
  pool.ipv6 = ReadRanges(reader, node, "ipv6", Family::kIpv6);
  pool.exclude = ReadRanges(reader, node, "exclude", std::nullopt);
  if (const Node* pair = Find(node, "pair")) pool.pair = reader.Boolean(*pair).value_or(false);
  if (const Node* subnet = Find(node, "subnet")) pool.subnet = ReadSubnet(reader, *subnet);
  return pool;
}

policy::Namespace ReadNamespace(Reader& reader, const Node& name, const Node& node) {
  policy::Namespace named{.name = name.text};
  if (!reader.Map(node, kNamespaceKeys, "a namespace")) return named;
  if (const Node* labels = Find(node, "labels")) named.labels = reader.Labels(*labels);
  if (const Node* gateway = Find(node, "gateway")) named.gateway = reader.Name(*gateway, "the name of a gateway");
  return named;
}

// Calls `read(name, value)` for each entry whose key is a name.
template <typename Read>
void ForEachNamed(Reader& reader, const Node& root, std::string_view key, std::string_view entries_are, std::string_view name_is,
                  Read read) {
  const Node* map = Find(root, key);
  if (map == nullptr || !reader.NamedMap(*map, entries_are)) return;
  for (const Node::Entry& entry : map->entries) {
    if (reader.IsName(*entry.key, name_is)) read(*entry.key, *entry.value);
  }
}

std::vector<Prefix> ReadNetworks(Reader& reader, const Node& root, std::string_view key) {
  std::vector<Prefix> networks;
  const Node* node = Find(root, key);
  if (node == nullptr) return networks;
  for (const Node* item : reader.Items(*node, "a network")) {
    if (const auto network = reader.Network(*item)) networks.push_back(*network);
  }
  return networks;
}

policy::PolicySet ReadSet(Reader& reader, const Node& root) {
  policy::PolicySet set;
  set.guard = ReadNetworks(reader, root, "guard");
  set.internal = ReadNetworks(reader, root, "internal");
  if (const Node* workloads = Find(root, "workloads"); workloads != nullptr && reader.NamedMap(*workloads, "workloads by name")) {
    for (const Node::Entry& entry : workloads->entries) {
      if (auto workload = ReadWorkload(reader, *entry.key, *entry.value)) set.workloads.emplace(entry.key->text, std::move(*workload));
    }
  }
  ForEachNamed(reader, root, "namespaces", "namespaces by name", "the name of a namespace",
               [&](const Node& name, const Node& node) { set.namespaces.emplace(name.text, ReadNamespace(reader, name, node)); });
  ForEachNamed(reader, root, "destinations", "destinations by name", "the name of destinations",
               [&](const Node& name, const Node& node) { set.destinations.emplace(name.text, ReadDestinations(reader, node)); });
  ForEachNamed(reader, root, "pools", "pools by name", "the name of a pool",
               [&](const Node& name, const Node& node) { set.pools.emplace(name.text, ReadPool(reader, name, node)); });
  ForEachNamed(reader, root, "gateways", "gateways by name", "the name of a gateway",
               [&](const Node& name, const Node& node) { set.gateways.emplace(name.text, ReadGateway(reader, name, node)); });
  ForEachNamed(reader, root, "policies", "policies by name", "the name of a policy",
               [&](const Node& name, const Node& node) { set.policies.emplace(name.text, ReadPolicy(reader, name, node)); });
  return set;
}

}  // namespace

void ReadAddressPair(Reader& reader, const Node& node, std::optional<IpAddress>& ipv4, std::optional<IpAddress>& ipv6) {
  if (node.is_scalar()) {
    const auto address = reader.Address(node);
    if (address) (address->family() == Family::kIpv4 ? ipv4 : ipv6) = *address;
    return;
  }
  if (!reader.Map(node, kFamilyKeys, "addresses by family")) return;
  if (node.entries.empty()) reader.report().Error(node, kEmpty, "no address in an empty map", "write {ipv4: 203.0.113.10}");
  for (const Node::Entry& entry : node.entries) {
    const bool is_ipv4 = entry.key->text == "ipv4";
    if (!is_ipv4 && entry.key->text != "ipv6") continue;
    const auto address = reader.Address(*entry.value);
    if (!address) continue;
    if ((address->family() == Family::kIpv4) != is_ipv4) {
      reader.report().Error(*entry.value, kBadAddress, std::format("{} stands under `{}`", Quote(entry.value->text), entry.key->text),
                            std::format("write it under `{}`", ToString(address->family())));
      continue;
    }
    (is_ipv4 ? ipv4 : ipv6) = *address;
  }
}

Parsed<policy::PolicySet> ParsePolicy(std::string_view text, const std::string& file, const policy::Surroundings& surroundings) {
  text = WithoutByteOrderMark(text);
  const Lines lines(text);
  Report report(lines, file);
  const auto document = Document::Parse(text, lines, report);
  if (!document) return {{}, report.Take()};
  const Node& root = document->root();
  if (root.kind == Node::Kind::kNull) {
    report.ErrorAt({1, 0}, kEmptyFile, "", "the file is empty", "a policy file without any policy is `version: 1`");
    return {{}, report.Take()};
  }
  Reader reader(report);
  if (!reader.Map(root, kFileKeys, "a policy file")) return {{}, report.Take()};
  reader.Version(root, Reader::VersionKey::kNeeded);
  policy::PolicySet set = ReadSet(reader, root);
  AddLocated(report, policy::Validate(set, surroundings), *document, lines);
  return {std::move(set), report.Take()};
}

}  // namespace egressd::yaml
