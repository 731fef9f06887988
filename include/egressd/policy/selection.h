// Which policies speak about a source address: the compiled form of every `from:` against every known workload.
//
// Sources with the same answer share a *source class*: the policies that select them, in deciding order, each perhaps only for
// traffic that entered through certain devices. The kernel gets address → class; what a class does is worked out once per class.
//
// 1. Exact addresses are those of workloads; networks come from `cidr:` and `all: true`, cut into disjoint ranges.
// 2. The class of an exact address includes the policies that select it by network or by device.
// 3. Changing one workload costs time proportional to that workload, not to the number of workloads.
// Called by plan (desired state, explain) and by the agent (connections that a change ends).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/policy/policy_set.h"

namespace egressd::policy {

// One policy's interest in a source.
struct Interest {
  const Policy* policy = nullptr;        // lives as long as the Selection
  std::set<std::string> interfaces;      // only traffic that entered through one of these; empty = any
  auto operator<=>(const Interest&) const = default;
};

// A source class: interests in deciding order. Identified by `key`, which is the same on every node for the same content.
struct SourceClass {
  std::uint32_t key = 0;                 // 0x80000000-0xffffffff, unique within a Selection and per family
  Family family = Family::kIpv4;
  std::vector<Interest> interests;       // never empty
  std::string ToString() const;          // "mailer, crawler(br0)"
};

class Selection {
 public:
  // Keeps its own copy of the set. `node_name` decides which `workloads:` with a `node:` count.
  Selection(PolicySet set, std::string node_name);
  Selection(Selection&&) noexcept;
  Selection& operator=(Selection&&) noexcept;
  ~Selection();

  const PolicySet& set() const;

  // Workloads that providers report, beside those in the policy set; `source` (not empty) names the provider and file, e.g.
  // "workloads.d/erp.yaml". Replaces everything that this source said before. Returns the addresses whose class changed, and those inside
  // the set's guard that became known or unknown, in order.
  std::vector<IpAddress> SetWorkloads(const std::string& source, std::vector<Workload> workloads);

  // Everything known, from the policy set and the providers, in order of name.
  std::vector<const Workload*> Workloads() const;
  // Is there an address of a known workload, selected or not, for which `test` holds? They come in no order.
  bool AnyWorkloadAddress(const std::function<bool(const IpAddress&)>& test) const;
  // Addresses of known workloads inside the set's guard, selected or not.
  const std::set<IpAddress>& known_in_guard() const;
  // The network of the set's guard that holds a source which is no known workload; nullptr = nothing is guarded against it.
  const Prefix* GuardAgainst(const IpAddress& source) const;
  // How many addresses `policy` selects through workloads.
  std::size_t WorkloadCount(const std::string& policy) const;

  // Exact addresses with a class.
  const std::map<IpAddress, const SourceClass*>& exact() const;
  // Disjoint ranges, in order, for forwarded traffic from sources without an exact entry.
  struct Network {
    AddressRange range;
    const SourceClass* source_class = nullptr;
  };
  const std::vector<Network>& networks() const;
  // For forwarded sources in neither: policies that select by device alone. nullptr = none.
  const SourceClass* other(Family family) const;

  // The class that governs a source, nullptr when no policy speaks about it.
  const SourceClass* ClassOf(const IpAddress& source) const;
  // The workload that has this address, nullptr when unknown.
  const Workload* WorkloadAt(const IpAddress& source) const;
  // Every class in use, in order of family and key.
  std::vector<const SourceClass*> Classes() const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

// Does one selector match a workload or address? Exposed for explain: the reason is the first thing that did not match.
// e.g. "wants app=postfix", "wants namespace shop". nullopt = matches.
std::optional<std::string> WhyNot(const Policy& policy, const IpAddress& source, const Workload* workload, const std::string& interface);

bool Matches(const std::vector<Requirement>& requirements, const Labels& labels);
bool Matches(const NodeSelector& selector, const std::string& node_name, const Labels& labels);
// "key=value", "key!=value", "key in (a,b)", "key notin (a,b)", "key", "!key", comma separated.
Result<std::vector<Requirement>> ParseRequirements(std::string_view text);
std::string ToString(const Requirement& requirement);
// Shell glob as in fnmatch(3) without special treatment of `/` or leading dots.
bool GlobMatches(std::string_view pattern, std::string_view text);

// What a policy decides about one flow once its source is selected.
struct Flow {
  IpAddress source;
  std::string interface;       // where it enters the node; empty = unknown
  IpAddress destination;
  std::uint8_t protocol = 6;   // IANA number
  std::uint16_t port = 0;      // destination port; 0 = none
};

// Destinations that are never external: what the set says and what every node adds (its own networks), as given.
using InternalNetworks = std::vector<Prefix>;

// Why `policy` does not apply to the destination and port of the flow; nullopt = it does.
std::optional<std::string> WhyNotDestination(const PolicySet& set, const Policy& policy, const InternalNetworks& internal,
                                             const Flow& flow);

// First match decides. nullptr = no policy, the flow goes out as if egressd were not there.
const Policy* Select(const Selection& selection, const InternalNetworks& internal, const Flow& flow);

}  // namespace egressd::policy
