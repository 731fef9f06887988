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

// A cgroup of this host that belongs to a systemd unit. The kernel gives a new id whenever the unit starts again.
struct Cgroup {
  std::uint64_t id = 0;
  std::string path;                      // "/system.slice/nginx.service"
  auto operator<=>(const Cgroup&) const = default;
};
// The units that a path leads through, outermost first: "system.slice", "nginx.service".
std::vector<std::string> UnitsOf(std::string_view path);

// What is known of the host's own processes, beside what a packet of theirs tells.
struct Processes {
  std::vector<Cgroup> cgroups;
  std::map<std::string, std::uint32_t> users;  // name → number
  std::vector<IpAddress> addresses;            // of the host: a process may use one that is a workload's
  auto operator<=>(const Processes&) const = default;
};

// The number of a user by name, or written as a number; nullopt = this host does not know the name.
std::optional<std::uint32_t> UserNumber(const Processes& processes, const std::string& user);

// The process that a flow of the host's own comes from.
struct Process {
  std::vector<std::string> units;
  std::optional<std::uint32_t> user;     // unset = unknown
  auto operator<=>(const Process&) const = default;
};

// What is asked about.
struct Flow {
  IpAddress source;
  std::string interface;       // where it enters the node; empty = unknown
  IpAddress destination;
  std::uint8_t protocol = 6;   // IANA number
  std::uint16_t port = 0;      // destination port; 0 = none
  std::optional<Process> process;  // set = the host's own traffic, unset = forwarded
};

class Selection {
 public:
  // Keeps its own copy of the set. Node name and labels decide which selectors count, and which `workloads:` with a `node:`.
  Selection(PolicySet set, std::string node_name, Labels node_labels = {});
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
  // Is there an address of a known workload inside the network, selected or not, for which `test` holds?
  bool AnyWorkloadAddress(const Prefix& network, const std::function<bool(const IpAddress&)>& test) const;
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

  // Does this selector count on this node?
  bool Counts(const Selector& selector) const;
  // Does any policy select processes of this node?
  bool names_processes() const;
  // Replaces everything that was known of the host's processes. True when own_sources() or units() changed.
  bool SetProcesses(Processes processes);
  const Processes& processes() const;
  // cgroups whose unit a policy names, with the number of what such policies say: a unit class, not 0. A process belongs to the innermost
  // of them that it is in; 0 = to none.
  struct Unit {
    std::uint64_t cgroup = 0;
    std::uint8_t level = 1;              // how deep in the tree, as the kernel counts
    std::uint32_t unit_class = 0;
    auto operator<=>(const Unit&) const = default;
  };
  const std::vector<Unit>& units() const;  // in order of cgroup
  // For the host's own traffic, ahead of exact(): disjoint, in order.
  struct OwnSource {
    std::uint32_t unit_class = 0;
    std::uint32_t first_user = 0;
    std::uint32_t last_user = 0;
    AddressRange source;
    const SourceClass* source_class = nullptr;
    bool operator==(const OwnSource&) const = default;
  };
  const std::vector<OwnSource>& own_sources() const;
  // Where units may start that a policy selects and fails closed for: who is new there and not known yet may be one of them.
  struct Nursery {
    std::set<std::uint64_t> parents;     // the top of the tree is always one
    std::set<std::uint64_t> known;       // their children
    std::set<std::uint8_t> levels;       // of the children
    auto operator<=>(const Nursery&) const = default;
  };
  const Nursery& nursery() const;

  // The class that governs forwarded traffic of a source, nullptr when no policy speaks about it.
  const SourceClass* ClassOf(const IpAddress& source) const;
  // Is there a class for the process, or does no policy speak of its units? Otherwise they do not run (any more).
  bool Knows(const Process& process) const;
  // The class that governs a flow, forwarded or the host's own.
  const SourceClass* ClassOf(const Flow& flow) const;
  // The workload that has this address, nullptr when unknown.
  const Workload* WorkloadAt(const IpAddress& source) const;
  // Every class in use, in order of family and key.
  std::vector<const SourceClass*> Classes() const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

// Does the selector count on a node of this name and with these labels? (Its `node` and `node_labels`.)
bool CountsOn(const Selector& selector, const std::string& node_name, const Labels& node_labels);
bool Matches(const std::vector<Requirement>& requirements, const Labels& labels);
bool Matches(const NodeSelector& selector, const std::string& node_name, const Labels& labels);
// "key=value", "key!=value", "key in (a,b)", "key notin (a,b)", "key", "!key", comma separated.
Result<std::vector<Requirement>> ParseRequirements(std::string_view text);
std::string ToString(const Requirement& requirement);
// Shell glob as in fnmatch(3) without special treatment of `/` or leading dots.
bool GlobMatches(std::string_view pattern, std::string_view text);

// Does a policy select the source of a flow? Exposed for explain: the reason is the first thing that did not match,
// e.g. "wants app=postfix", "wants namespace shop". nullopt = it does.
std::optional<std::string> WhyNot(const Selection& selection, const Policy& policy, const Flow& flow);

// Destinations that are never external: what the set says and what every node adds (its own networks), as given.
using InternalNetworks = std::vector<Prefix>;

// Why `policy` does not apply to the destination and port of the flow; nullopt = it does.
std::optional<std::string> WhyNotDestination(const PolicySet& set, const Policy& policy, const InternalNetworks& internal,
                                             const Flow& flow);

// First match decides. nullptr = no policy, the flow goes out as if egressd were not there.
const Policy* Select(const Selection& selection, const InternalNetworks& internal, const Flow& flow);

}  // namespace egressd::policy
