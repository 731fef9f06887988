// Pools in a network of their own: the router, its network, and how many of them there are.
#include <algorithm>
#include <format>
#include <set>

#include "egressd/policy/limits.h"
#include "policy/checks.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

// A router that the kernel takes as a next hop: of IPv6 it may be known by its link-local address.
bool CanRoute(const IpAddress& router) {
  return router.family() == Family::kIpv6 && router.is_link_local() ? true : Unusable({.first = router, .last = router}).empty();
}

void CheckFamily(const Subject& subject, const std::string& path, const Pool& pool, Family family, std::vector<Finding>& findings) {
  const std::vector<AddressRange>& ranges = family == Family::kIpv4 ? pool.ipv4 : pool.ipv6;
  const std::optional<Prefix>& router = pool.subnet->router(family);
  const std::string at = path + ".subnet.gateway";
  if (!router) {
    if (ranges.empty()) return;
    findings.push_back(Error(rule::kSubnetFamily, at,
                             std::format("the pool has {} addresses, and its subnet no {} router", Spelled(family), Spelled(family)),
                             "write gateway: {ipv4: 203.0.113.1, ipv6: \"2001:db8:1::1\"}, or make a pool of each family"));
    return;
  }
  if (ranges.empty()) {
    findings.push_back(Error(rule::kSubnetFamily, at, std::format("{} is a router for {}, and the pool has no such address",
                                                                  router->address.ToString(), Spelled(family)),
                             "remove it"));
  }
  if (router->family() != family || !CanRoute(router->address)) {
    findings.push_back(Error(rule::kSubnet, at, std::format("{} cannot be a router", router->address.ToString()),
                             "write the address of the router in that network"));
    return;
  }
  if (const std::string* holder = subject.PoolAt(router->address)) {
    findings.push_back(Error(rule::kRouterInPool, at,
                             std::format("{}, the router, is in pool {}: a node would take its address", router->address.ToString(),
                                         *holder),
                             std::format("exclude: [{}]", router->address.ToString())));
  }
  if (router->address.is_link_local()) return;  // says nothing about the network
  const Prefix network = Prefix::Containing(router->address, router->length);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (network.Contains(ranges[i].first) && network.Contains(ranges[i].last)) continue;
    findings.push_back(Error(rule::kOutsideSubnet, std::format("{}.{}[{}]", path, ToString(family), i),
                             std::format("{} is not in the pool's subnet {}", ranges[i].ToString(), network.ToString()),
                             "make a pool of its own for every subnet"));
  }
}

}  // namespace

void CheckSubnets(const Subject& subject, std::vector<Finding>& findings) {
  std::set<Subnet> different;
  for (const auto& [name, pool] : subject.set.pools) {
    if (!pool.subnet) continue;
    const std::string path = "pools." + name;
    for (const Family family : {Family::kIpv4, Family::kIpv6}) CheckFamily(subject, path, pool, family, findings);
    if (pool.subnet->vlan > kLastVlan) {
      findings.push_back(Error(rule::kSubnet, path + ".subnet.vlan", std::format("there is no VLAN {}", pool.subnet->vlan), "vlan: 100"));
    }
    if (different.insert(*pool.subnet).second && different.size() == kMostSubnets + 1) {
      findings.push_back(Error(rule::kSubnetsExhausted, path + ".subnet",
                               std::format("more than {} different subnets: a node has a route table for each", kMostSubnets)));
    }
  }
}

}  // namespace egressd::policy
