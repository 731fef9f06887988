#include "convert/outside.h"

#include <algorithm>
#include <format>
#include <map>
#include <utility>

#include "convert/systems.h"
#include "convert/values.h"
#include "egressd/policy/limits.h"

namespace egressd::convert {
namespace {

const Node* NamedAddresses(const Manifest& gateway) {
  const Node* list = gateway.Field("spec.externalIPs");
  // With a pool or a subnet the object says which it was given.
  return list != nullptr ? list : gateway.Field("status.externalIPs");
}

std::uint16_t VlanOf(const Draft& draft, Manifest& subnet, const Node& name) {
  Manifest* vlan = draft.Named(subnet, name, kKubeOvn, "Vlan");
  if (vlan == nullptr) return 0;
  for (const char* path : {"spec.id", "spec.vlanId"}) {
    const Node* id = vlan->Field(path);
    if (id == nullptr) continue;
    vlan->Exact(*id, "pools.*.subnet.vlan");
    return static_cast<std::uint16_t>(vlan->Number(*id, policy::kLastVlan).value_or(0));
  }
  return 0;
}

}  // namespace

std::vector<std::string> SplitAtCommas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::vector<Prefix> NetworksOfSubnet(Manifest& subnet, const std::string& becomes) {
  const Node* cidr = subnet.Field("spec.cidrBlock");
  std::vector<Prefix> networks;
  if (cidr == nullptr || !cidr->is_scalar()) {
    subnet.Error(subnet.root(), kMissing, "a Subnet needs spec.cidrBlock");
    return networks;
  }
  for (const std::string& part : SplitAtCommas(cidr->text)) {
    const auto network = NetworkOf(subnet, *cidr, part);
    if (!network) return {};
    networks.push_back(*network);
  }
  subnet.Exact(*cidr, becomes);
  return networks;
}

OutsideAddresses::OutsideAddresses(const Draft& draft) : draft_(draft) {
  for (const Manifest* gateway : draft.OfKind(kKubeOvn, "VpcEgressGateway")) {
    const Node* list = NamedAddresses(*gateway);
    if (list == nullptr) continue;
    for (const Node::Entry& entry : list->entries) {
      for (const std::string& part : SplitAtCommas(entry.value->text)) {
        if (const auto address = IpAddress::Parse(part)) taken_.insert(*address);
      }
    }
  }
}

// What a Subnet gives away: its networks without the first and (IPv4) last address, the router, and what it excludes.
std::optional<OutsideAddresses::Network> OutsideAddresses::NetworkOf(Manifest& subnet) const {
  const std::vector<Prefix> networks = NetworksOfSubnet(subnet, "pools.*");
  const Node* gateway = subnet.Field("spec.gateway");
  if (gateway == nullptr || !gateway->is_scalar()) {
    subnet.Error(subnet.root(), kMissing, "an external Subnet needs spec.gateway", "the address of the router");
    return std::nullopt;
  }
  Network out;
  std::vector<AddressRange> holes;
  const auto leave_out = [&](const IpAddress& address) { holes.push_back({.first = address, .last = address}); };
  for (const Prefix& network : networks) {
    out.usable.push_back(RangeOf(network));
    leave_out(network.First());
    if (network.family() == Family::kIpv4) leave_out(network.Last());
  }
  for (const std::string& part : SplitAtCommas(gateway->text)) {
    const auto router = AddressOf(subnet, *gateway, part);
    if (!router) return std::nullopt;
    leave_out(*router);
    for (const Prefix& network : networks) {
      if (network.family() != router->family()) continue;
      (router->family() == Family::kIpv4 ? out.subnet.ipv4 : out.subnet.ipv6) = Prefix{.address = *router, .length = network.length};
    }
  }
  subnet.Exact(*gateway, "pools.*.subnet.gateway");
  if (const Node* exclude = subnet.Field("spec.excludeIps")) {
    for (const Manifest::Item& item : subnet.Texts(*exclude)) {
      if (const auto range = RangeOf(subnet, *item.node, item.text)) holes.push_back(*range);
    }
    subnet.Exact(*exclude, "pools.*");
  }
  if (const Node* vlan = subnet.Field("spec.vlan")) {
    out.subnet.vlan = VlanOf(draft_, subnet, *vlan);
    subnet.Exact(*vlan, "pools.*.subnet.vlan");
  }
  if (subnet.has_errors()) return std::nullopt;
  out.usable = Without(out.usable, holes);
  return out;
}

std::optional<std::vector<AddressRange>> OutsideAddresses::PoolOf(Manifest& gateway, const Node& name) const {
  Manifest* pool = draft_.Named(gateway, name, kKubeOvn, "IPPool");
  if (pool == nullptr) return std::nullopt;
  const Node* list = pool->Field("spec.ips");
  if (list == nullptr) {
    pool->Error(pool->root(), kMissing, "an IPPool needs spec.ips");
    return std::nullopt;
  }
  std::vector<AddressRange> ranges;
  for (const Manifest::Item& item : pool->Texts(*list)) {
    if (const auto range = RangeOf(*pool, *item.node, item.text)) ranges.push_back(*range);
  }
  pool->Exact(*list, "pools.*");
  gateway.Exact(name, "pools.*");
  return Once(ranges);
}

// Each text is the addresses of one replica: of one family, or of both.
std::optional<std::vector<policy::AddressPair>> OutsideAddresses::Named(Manifest& gateway, const Node& list) const {
  std::vector<policy::AddressPair> addresses;
  for (const Manifest::Item& item : gateway.Texts(list)) {
    policy::AddressPair pair;
    for (const std::string& part : SplitAtCommas(item.text)) {
      const auto address = AddressOf(gateway, *item.node, part);
      if (!address) return std::nullopt;
      (address->family() == Family::kIpv4 ? pair.ipv4 : pair.ipv6) = *address;
    }
    addresses.push_back(pair);
  }
  return addresses;
}

std::vector<policy::AddressPair> OutsideAddresses::Free(const std::vector<AddressRange>& ranges, std::size_t count) {
  std::vector<policy::AddressPair> pairs(count);
  std::map<Family, std::size_t> found;
  for (const AddressRange& range : ranges) {
    std::size_t& next = found[range.family()];
    for (std::optional<IpAddress> at = range.first; at && *at <= range.last && next < count; at = at->Next()) {
      if (!taken_.insert(*at).second) continue;
      (at->family() == Family::kIpv4 ? pairs[next].ipv4 : pairs[next].ipv6) = *at;
      ++next;
    }
  }
  const bool is_short = found.empty() || std::ranges::any_of(found, [&](const auto& entry) { return entry.second < count; });
  return is_short ? std::vector<policy::AddressPair>{} : pairs;
}

std::optional<OutsideAddresses::Taken> OutsideAddresses::TakeFor(Manifest& gateway, std::size_t replicas) {
  const Node* name = gateway.Field("spec.externalSubnet");
  if (name == nullptr) {
    gateway.Error(gateway.root(), kMissing, "a VpcEgressGateway needs spec.externalSubnet");
    return std::nullopt;
  }
  const Node* named = NamedAddresses(gateway);
  const Node* pool = gateway.Field("spec.externalIPPool");
  Manifest* subnet = draft_.Find(kKubeOvn, "Subnet", name->text);
  if (subnet == nullptr && named == nullptr && pool == nullptr) draft_.Named(gateway, *name, kKubeOvn, "Subnet");  // says so
  const auto network = subnet == nullptr ? std::nullopt : NetworkOf(*subnet);
  Taken taken;
  if (named != nullptr) {
    auto addresses = Named(gateway, *named);
    if (!addresses) return std::nullopt;
    taken.addresses = *std::move(addresses);
    gateway.Exact(*named, "policies.*.egress_ip", yaml::PathOf(*named).contains("status") ? "the addresses that it has now" : "");
    if (pool != nullptr) gateway.Exact(*pool, "policies.*.egress_ip");
  } else {
    const auto ranges = pool != nullptr ? PoolOf(gateway, *pool) : network ? std::optional(network->usable) : std::nullopt;
    if (!ranges) return std::nullopt;
    taken.addresses = Free(*ranges, replicas);
    if (taken.addresses.empty()) {
      gateway.Error(*name, kContradiction, std::format("{} has no {} free addresses", yaml::Describe(*name), replicas));
      return std::nullopt;
    }
  }
  const std::string where = named == nullptr ? "; any free address there, here the first ones" : "";
  if (!network) {
    gateway.Approximated(*name, "pools.*",
                         "its Subnet is not among the files, so the egress IPs are taken to be in the gateway nodes' own network" + where);
    return taken;
  }
  subnet->Uses("pools." + Draft::NameOf(gateway));
  taken.subnet = network->subnet;
  const auto lacks = [&](auto member) {
    return std::ranges::none_of(taken.addresses, [&](const auto& pair) { return (pair.*member).has_value(); });
  };
  if (lacks(&policy::AddressPair::ipv4)) taken.subnet->ipv4.reset();
  if (lacks(&policy::AddressPair::ipv6)) taken.subnet->ipv6.reset();
  if (where.empty()) {
    gateway.Exact(*name, "pools.*.subnet");
  } else {
    gateway.Approximated(*name, "pools.*.subnet", where.substr(2));
  }
  return taken;
}

}  // namespace egressd::convert
