// Antrea: Egress, ExternalIPPool.
#include <algorithm>
#include <format>
#include <set>
#include <utility>

#include "convert/systems.h"
#include "convert/values.h"

namespace egressd::convert {
namespace {

constexpr std::uint64_t kLastVlanThere = 4094;
constexpr std::uint64_t kMostAddressesThere = 255;
constexpr const char* kStaticGateway = "antrea-static";

// A CIDR without its first address and, of IPv4, without its last: Antrea gives these to nobody.
std::vector<AddressRange> Usable(const Prefix& network) {
  const AddressRange whole = RangeOf(network);
  std::vector<AddressRange> ranges;
  for (const AddressRange& rest : Without(whole, {.first = whole.first, .last = whole.first})) {
    if (network.family() == Family::kIpv6) {
      ranges.push_back(rest);
    } else {
      Append(ranges, Without(rest, {.first = whole.last, .last = whole.last}));
    }
  }
  return ranges;
}

void AddRanges(Manifest& manifest, const Node& entry, std::vector<AddressRange>& ranges) {
  const Node* cidr = manifest.Field(entry, "cidr");
  const Node* start = manifest.Field(entry, "start");
  const Node* end = manifest.Field(entry, "end");
  if ((cidr == nullptr) == (start == nullptr && end == nullptr) || (start == nullptr) != (end == nullptr)) {
    manifest.Error(entry, kMissing, "a range needs either `cidr`, or `start` and `end`");
    return;
  }
  if (cidr != nullptr) {
    const auto text = manifest.Text(*cidr);
    const auto network = text ? NetworkOf(manifest, *cidr, *text) : std::nullopt;
    if (!network) return;
    const auto usable = Usable(*network);
    Append(ranges, usable);
    manifest.Exact(*cidr, "pools.*",
                   usable.empty() ? "so small a network has no address that Antrea gives away"
                                  : std::format("without its first{} address, which Antrea gives to nobody either",
                                                network->family() == Family::kIpv4 ? " and last" : ""));
    return;
  }
  const auto first = manifest.Text(*start);
  const auto last = manifest.Text(*end);
  const auto range = first && last ? RangeOf(manifest, *start, *first + "-" + *last) : std::nullopt;
  if (!range) return;
  ranges.push_back(*range);
  manifest.Exact(*start, "pools.*");
  manifest.Exact(*end, "pools.*");
}

// The router must not be among the addresses: Antrea would give it away (its issue 7868).
void ExcludeRouter(Manifest& manifest, const Node& node, const IpAddress& router, policy::Pool& pool) {
  const AddressRange hole{.first = router, .last = router};
  const auto Holds = [&](const AddressRange& range) { return range.Contains(router); };
  if (std::ranges::none_of(pool.ipv4, Holds) && std::ranges::none_of(pool.ipv6, Holds)) return;
  pool.exclude.push_back(hole);
  manifest.Approximated(node, "pools.*.subnet",
                        std::format("{} is in the pool, and Antrea would give it away; here it is excluded", router.ToString()));
}

void AddSubnet(Manifest& manifest, policy::Pool& pool) {
  const Node* info = manifest.Field("spec.subnetInfo");
  if (info == nullptr) return;
  const Node* gateway = manifest.Field(*info, "gateway");
  const Node* length = manifest.Field(*info, "prefixLength");
  if (gateway == nullptr || length == nullptr) {
    manifest.Error(*info, kMissing, "subnetInfo needs `gateway` and `prefixLength`", "{gateway: 10.10.0.1, prefixLength: 24}");
    return;
  }
  const auto text = manifest.Text(*gateway);
  const auto router = text ? AddressOf(manifest, *gateway, *text) : std::nullopt;
  if (!router) return;
  const auto bits = manifest.Number(*length, static_cast<std::uint64_t>(AddressBits(router->family())));
  if (!bits) return;
  const Prefix prefix{.address = *router, .length = static_cast<std::uint8_t>(*bits)};
  policy::Subnet subnet;
  (router->family() == Family::kIpv4 ? subnet.ipv4 : subnet.ipv6) = prefix;
  manifest.Exact(*gateway, "pools.*.subnet.gateway");
  manifest.Exact(*length, "pools.*.subnet.prefix");
  if (const Node* vlan = manifest.Field(*info, "vlan")) {
    subnet.vlan = static_cast<std::uint16_t>(manifest.Number(*vlan, kLastVlanThere).value_or(0));
    manifest.Exact(*vlan, "pools.*.subnet.vlan");
  }
  pool.subnet = subnet;
  ExcludeRouter(manifest, *info, *router, pool);
}

void ConvertPool(Draft& draft, Manifest& manifest) {
  policy::Pool pool;
  std::vector<AddressRange> ranges;
  const Node* list = manifest.Field("spec.ipRanges");
  if (list == nullptr) {
    manifest.Error(manifest.root(), kMissing, "an ExternalIPPool needs spec.ipRanges");
    return;
  }
  for (const Node* entry : manifest.Maps(*list)) AddRanges(manifest, *entry, ranges);
  for (const AddressRange& range : Once(ranges)) (range.family() == Family::kIpv4 ? pool.ipv4 : pool.ipv6).push_back(range);
  AddSubnet(manifest, pool);
  const auto nodes = NodesOf(manifest, manifest.Selector(manifest.root(), "spec.nodeSelector"));
  if (!nodes || manifest.has_errors()) return;
  const std::string path = draft.AddPool(manifest, manifest.name(), std::move(pool));
  const std::string gateway = draft.AddGateway(manifest, manifest.name(), {.nodes = *nodes, .pools = {path.substr(path.find('.') + 1)}});
  draft.gateway_of["ExternalIPPool/" + manifest.name()] = gateway.substr(gateway.find('.') + 1);
}

// --- Egress ---

// Fields of appliedTo that nothing here says. Without them the rest would be another selection, so the policy selects nothing.
bool HasOtherSelection(Manifest& manifest, const Node& applied) {
  bool found = false;
  for (const char* key : {"group", "groups", "serviceAccount", "service", "externalEntitySelector", "nodeSelector"}) {
    const Node* node = manifest.Selector(applied, key);
    if (node == nullptr) continue;
    manifest.Dropped(*node, "nothing here selects by it: the policy is written disabled, and selects nothing");
    found = true;
  }
  return found;
}

bool ChooseSources(Draft& draft, Manifest& manifest, policy::Policy& policy) {
  const Node* applied = manifest.Selector(manifest.root(), "spec.appliedTo");
  if (applied == nullptr) {
    manifest.Error(manifest.root(), kMissing, "an Egress needs spec.appliedTo");
    return false;
  }
  const Node* pods = manifest.Selector(*applied, "podSelector");
  const Node* namespaces = manifest.Selector(*applied, "namespaceSelector");
  const bool other = HasOtherSelection(manifest, *applied);
  if (other || (pods == nullptr && namespaces == nullptr)) {
    policy.enabled = false;
    policy.from = {Nothing()};
    if (other) return true;
    manifest.Approximated(*applied, "policies.*.from", "empty, it selects nothing; so the policy is written disabled, and selects nothing");
    return true;
  }
  policy::Selector selector;
  if (pods != nullptr) {
    auto requirements = RequirementsOf(manifest, *pods);
    if (!requirements) return false;
    TellPods(manifest, *pods, *requirements);
    selector.labels = *std::move(requirements);
  }
  policy.from = {OrAll(selector)};
  if (namespaces == nullptr) return true;
  const auto chosen = draft.NamespacesOf(manifest, *namespaces);
  if (!chosen) return false;
  policy.from = InNamespaces(selector, *chosen);
  return true;
}

std::vector<Manifest::Item> ListOrOne(Manifest& manifest, const char* one, const char* list) {
  std::vector<Manifest::Item> items;
  if (const Node* node = manifest.Field(one)) {
    if (const auto text = manifest.Text(*node)) items.push_back({.node = node, .text = *text});
  }
  if (const Node* node = manifest.Field(list)) Append(items, manifest.Texts(*node));
  return items;
}

// The one pool that a policy can take addresses of. False: reported.
bool ChoosePool(Draft& draft, Manifest& manifest, policy::Policy& policy) {
  for (const Manifest::Item& pool : ListOrOne(manifest, "spec.externalIPPool", "spec.externalIPPools")) {
    if (draft.Named(manifest, *pool.node, kAntrea, "ExternalIPPool") == nullptr) return false;
    const auto found = draft.gateway_of.find("ExternalIPPool/" + pool.text);
    if (found == draft.gateway_of.end()) return false;  // has errors of its own
    if (!policy.gateway) {
      policy.gateway = found->second;
      manifest.Exact(*pool.node, "policies.*.gateway");
    } else {
      manifest.Dropped(*pool.node, "a policy here has one gateway, that of the first pool");
    }
  }
  return true;
}

const policy::Pool* PoolOf(const Draft& draft, const std::string& gateway) {
  const auto found = draft.set.gateways.find(gateway);
  return found == draft.set.gateways.end() || found->second.pools.empty() ? nullptr : &draft.set.pools.at(found->second.pools.front());
}

bool Offers(const policy::Pool& pool, const IpAddress& address) {
  const auto Holds = [&](const AddressRange& range) { return range.Contains(address); };
  return (std::ranges::any_of(pool.ipv4, Holds) || std::ranges::any_of(pool.ipv6, Holds)) && std::ranges::none_of(pool.exclude, Holds);
}

// An address without a pool, which somebody has given to a node by hand: one gateway of all nodes holds all of them.
std::string StaticGateway(Draft& draft, Manifest& manifest, const IpAddress& address) {
  for (const auto& [name, gateway] : draft.set.gateways) {
    const policy::Pool* pool = PoolOf(draft, name);
    if (pool != nullptr && Offers(*pool, address)) return name;
  }
  auto found = draft.gateway_of.find(kStaticGateway);
  if (found == draft.gateway_of.end()) {
    const std::string pool = draft.AddPool(manifest, kStaticGateway, {});
    const std::string gateway =
        draft.AddGateway(manifest, kStaticGateway, {.nodes = NodesWith({}), .pools = {pool.substr(pool.find('.') + 1)}});
    found = draft.gateway_of.emplace(kStaticGateway, gateway.substr(gateway.find('.') + 1)).first;
  }
  policy::Pool& pool = draft.set.pools.at(draft.set.gateways.at(found->second).pools.front());
  const AddressRange range{.first = address, .last = address};
  (address.family() == Family::kIpv4 ? pool.ipv4 : pool.ipv6).push_back(range);
  return found->second;
}

// False: dropped.
bool TakeStatic(Draft& draft, Manifest& manifest, const Node& node, const IpAddress& address, policy::Policy& policy) {
  const std::string gateway = StaticGateway(draft, manifest, address);
  if (policy.gateway && *policy.gateway != gateway) {
    manifest.Dropped(node, std::format("it belongs to gateway {}, and a policy here has one", gateway));
    return false;
  }
  policy.gateway = gateway;
  manifest.Approximated(
      node, "policies.*.egress_ip",
      std::format("there it stays on the node that somebody gave it to; here the nodes of gateway {} hold it, and take it "
                  "over: name them in its `nodes`. If it is a node's own address, say `egress_ip: node` instead",
                  gateway));
  return true;
}

void ChooseAddresses(Draft& draft, Manifest& manifest, policy::Policy& policy) {
  const bool has_pool = policy.gateway.has_value();
  const bool has_pools = manifest.Field("spec.externalIPPools") != nullptr;
  policy::EgressIpChoice choice{.kind = policy::EgressIpChoice::Kind::kAddress, .addresses = {}};
  for (const Manifest::Item& item : ListOrOne(manifest, "spec.egressIP", "spec.egressIPs")) {
    const auto address = AddressOf(manifest, *item.node, item.text);
    if (!address) continue;
    if (!has_pool) {
      if (!TakeStatic(draft, manifest, *item.node, *address, policy)) continue;
    } else if (const policy::Pool* pool = PoolOf(draft, *policy.gateway); pool != nullptr && Offers(*pool, *address)) {
      manifest.Exact(*item.node, "policies.*.egress_ip");
    } else if (has_pools) {
      manifest.Dropped(*item.node, "it is not in the first pool, whose gateway the policy has");
      continue;
    } else {
      manifest.Error(*item.node, kContradiction, std::format("{} is not in its ExternalIPPool", address->ToString()));
      continue;
    }
    const bool is_ipv4 = address->family() == Family::kIpv4;
    choice.addresses.push_back({.ipv4 = is_ipv4 ? address : std::nullopt, .ipv6 = is_ipv4 ? std::nullopt : address});
  }
  if (!choice.addresses.empty()) policy.egress_ip = std::move(choice);
}

// An Egress is about one family; the other one leaves as before. A policy without an egress IP of a family drops it.
void LeaveOtherFamily(const Draft& draft, Manifest& manifest, policy::Policy& policy) {
  std::set<Family> families;
  for (const policy::AddressPair& pair : policy.egress_ip.addresses) {
    if (pair.ipv4) families.insert(Family::kIpv4);
    if (pair.ipv6) families.insert(Family::kIpv6);
  }
  if (families.empty()) {
    const policy::Pool* pool = PoolOf(draft, policy.gateway.value_or(""));
    if (pool == nullptr) return;
    if (!pool->ipv4.empty()) families.insert(Family::kIpv4);
    if (!pool->ipv6.empty()) families.insert(Family::kIpv6);
    if (families.size() == 2) {
      manifest.ApproximatedAbsent("spec.egressIP", "policies.*.egress_ip",
                                  "there it is one address of either family; here the policy gets one of each");
    }
  }
  if (families.size() != 1) return;
  const bool is_ipv4 = families.contains(Family::kIpv4);
  policy.except.emplace_back(*Prefix::Parse(is_ipv4 ? "::/0" : "0.0.0.0/0"));
}

void Limit(Manifest& manifest, policy::Policy& policy) {
  const Node* rate = manifest.Field("spec.bandwidth.rate");
  const Node* burst = manifest.Field("spec.bandwidth.burst");
  if (rate == nullptr && burst == nullptr) return;
  policy::Bandwidth wanted;
  const auto read = [&](const Node* node, std::uint64_t& bits) {
    if (node == nullptr) return;
    const auto quantity = node->is_scalar() ? ParseQuantity(node->text) : std::nullopt;
    if (quantity) {
      bits = *quantity;
    } else {
      manifest.Error(*node, kBadValue, std::format("expected a quantity such as 800M, found {}", yaml::Describe(*node)));
    }
  };
  read(rate, wanted.egress_bits);
  read(burst, wanted.burst_bits);
  std::string notes;
  policy.bandwidth = Limited(wanted, notes);
  const Node& whole = *manifest.Field("spec.bandwidth");
  if (notes.empty()) {
    manifest.Exact(whole, "policies.*.bandwidth");
  } else {
    manifest.Approximated(whole, "policies.*.bandwidth", notes);
  }
}

void ConvertEgress(Draft& draft, Manifest& manifest) {
  policy::Policy policy;
  const bool has_sources = ChooseSources(draft, manifest, policy);
  if (!ChoosePool(draft, manifest, policy) || !has_sources) return;
  ChooseAddresses(draft, manifest, policy);
  if (!policy.gateway) {
    if (!manifest.has_errors()) manifest.Error(manifest.root(), kMissing, "an Egress needs spec.egressIP or spec.externalIPPool");
    return;
  }
  LeaveOtherFamily(draft, manifest, policy);
  Limit(manifest, policy);
  draft.AddPolicy(manifest, manifest.name(), std::move(policy));
}

// What the agents leave out and how much a node may hold, for all Egresses.
void ReadAgent(Draft& draft, Manifest& manifest) {
  const Node& text = *AntreaAgentOf(manifest);
  const yaml::Documents config(text.text, manifest.object().file);
  std::vector<Prefix> networks;
  for (const Node* root : config.roots()) {
    const Node* egress = yaml::Find(*root, "egress");
    if (egress == nullptr) continue;
    if (const Node* list = yaml::Find(*egress, "exceptCIDRs")) {
      for (const Node::Entry& entry : list->entries) {
        if (const auto network = NetworkOf(manifest, text, entry.value->text)) networks.push_back(*network);
      }
    }
    const Node* most = yaml::Find(*egress, "maxEgressIPsPerNode");
    const auto number = most == nullptr ? std::nullopt : manifest.Number(*most, kMostAddressesThere);
    for (auto& [key, name] : draft.gateway_of) {
      if (number && (key.starts_with("ExternalIPPool/") || key == kStaticGateway)) {
        draft.set.gateways.at(name).max_ips_per_node = static_cast<std::uint16_t>(*number);
      }
    }
  }
  if (!networks.empty()) draft.AddInternal(manifest, networks);
  manifest.Exact(text, "internal", "egress.exceptCIDRs, and egress.maxEgressIPsPerNode as `max_ips_per_node` of the gateways");
}

}  // namespace

const Node* AntreaAgentOf(const Manifest& config) {
  const Node* data = config.Field("data");
  const Node* text = data == nullptr ? nullptr : yaml::Find(*data, "antrea-agent.conf");
  return text != nullptr && text->is_scalar() ? text : nullptr;
}

void ConvertAntrea(Draft& draft) {
  for (Manifest* manifest : draft.OfKind(kAntrea, "ExternalIPPool")) ConvertPool(draft, *manifest);
  for (Manifest* manifest : draft.OfKind(kAntrea, "Egress")) ConvertEgress(draft, *manifest);
  for (Manifest* manifest : draft.OfKind("", "ConfigMap")) ReadAgent(draft, *manifest);
}

}  // namespace egressd::convert
