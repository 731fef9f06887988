// Workloads of the policy set and the reusable destinations.
#include <algorithm>
#include <format>
#include <unordered_map>

#include "policy/checks.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

using Holders = std::unordered_map<IpAddress, std::vector<const Workload*>>;

// Two nodes may each have their own 172.17.0.2: addresses collide only where both workloads count.
bool CanMeet(const Workload& a, const Workload& b) { return !a.node || !b.node || *a.node == *b.node; }

void CheckAddress(const Subject& subject, const Workload& workload, const std::string& path, const IpAddress& address, Holders& holders,
                  std::vector<Finding>& findings) {
  const std::string text = address.ToString();
  const AddressRange range{.first = address, .last = address};
  if (const std::string_view kind = Unusable(range); !kind.empty()) {
    findings.push_back(Error(rule::kUnusableAddress, path, std::format("{} is a {} address, which no workload can send from", text, kind)));
    return;
  }
  if (const Prefix* tunnel = TunnelOver(subject.tunnels, range)) {
    findings.push_back(Error(rule::kInsideTunnel, path, std::format("{} is inside of the tunnel network {}", text, tunnel->ToString()),
                             "choose another tunnel network in egressd.yaml"));
  }
  if (const std::string* pool = subject.PoolAt(address)) {
    findings.push_back(Error(rule::kPoolHoldsWorkload, path, std::format("{} is an egress IP of pool {} too", text, *pool),
                             std::format("exclude: [{}]", text)));
  }
  std::vector<const Workload*>& of_address = holders[address];
  const auto other = std::ranges::find_if(of_address, [&](const Workload* holder) { return CanMeet(*holder, workload); });
  if (other != of_address.end()) {
    const bool itself = *other == &workload;
    findings.push_back(Error(
        rule::kWorkloadsShareAddress, path,
        itself ? std::format("{} is listed twice", text) : std::format("{} is the address of workload {} already", text, (*other)->name),
        itself ? "remove it" : "say with `node:` on which node each of them runs, or remove one"));
  }
  of_address.push_back(&workload);
}

void CheckReferences(const PolicySet& set, const std::string& path, const std::vector<Destination>& list, std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string* name = std::get_if<std::string>(&list[i]);
    if (name == nullptr || set.destinations.contains(*name)) continue;
    findings.push_back(Error(rule::kUnknownDestinations, std::format("{}[{}]", path, i),
                             std::format("there are no destinations `{}`", *name), SuggestName(*name, NamesOf(set.destinations))));
  }
}

// Destinations that lead back to themselves: what is left when those that lead nowhere else have been taken away again and again.
void CheckRecursion(const PolicySet& set, std::vector<Finding>& findings) {
  std::map<std::string, std::size_t> open;  // references not yet taken away
  std::map<std::string, std::vector<std::string>> users;
  for (const auto& [name, list] : set.destinations) {
    open[name];
    for (const Destination& destination : list) {
      const std::string* reference = std::get_if<std::string>(&destination);
      if (reference == nullptr || !set.destinations.contains(*reference)) continue;
      ++open[name];
      users[*reference].push_back(name);
    }
  }
  std::vector<std::string> done;
  for (const auto& [name, count] : open) {
    if (count == 0) done.push_back(name);
  }
  while (!done.empty()) {
    const std::string name = std::move(done.back());
    done.pop_back();
    for (const std::string& user : users[name]) {
      if (--open[user] == 0) done.push_back(user);
    }
  }
  for (const auto& [name, count] : open) {
    if (count == 0) continue;
    findings.push_back(Error(rule::kRecursiveDestinations, "destinations." + name,
                             std::format("destinations {} refer, perhaps through others, to themselves", name),
                             "take one of the `@` references out"));
  }
}

}  // namespace

void CheckWorkloads(const Subject& subject, std::vector<Finding>& findings) {
  Holders holders;
  holders.reserve(subject.set.workloads.size());
  for (const auto& [name, workload] : subject.set.workloads) {
    const std::string path = "workloads." + name;
    if (name.empty()) findings.push_back(Error(rule::kName, path, "the name of a workload is empty"));
    if (workload.namespace_.empty())
      findings.push_back(Error(rule::kName, path + ".namespace", "the namespace is empty", "namespace: default"));
    if (workload.node && workload.node->empty()) findings.push_back(Error(rule::kName, path + ".node", "the name of the node is empty"));
    if (workload.addresses.empty()) {
      findings.push_back(Error(rule::kNoAddresses, path, "the workload has no address", "addresses: [10.1.7.20]"));
    }
    for (std::size_t i = 0; i < workload.addresses.size(); ++i) {
      CheckAddress(subject, workload, std::format("{}.addresses[{}]", path, i), workload.addresses[i], holders, findings);
    }
  }
}

void CheckDestinations(const Subject& subject, std::vector<Finding>& findings) {
  const PolicySet& set = subject.set;
  for (const auto& [name, list] : set.destinations) {
    const std::string path = "destinations." + name;
    CheckName("list of destinations", "destinations", name, findings);
    if (list.empty())
      findings.push_back(Error(rule::kEmptyDestinations, path, "the list of destinations is empty", name + ": [192.0.2.0/24]"));
    CheckReferences(set, path, list, findings);
  }
  CheckRecursion(set, findings);
  for (const auto& [name, policy] : set.policies) {
    if (policy.to == Reach::kListed) CheckReferences(set, std::format("policies.{}.to", name), policy.destinations, findings);
    CheckReferences(set, std::format("policies.{}.except", name), policy.except, findings);
  }
}

}  // namespace egressd::policy
