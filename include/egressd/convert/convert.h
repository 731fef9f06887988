// Kubernetes manifests of other egress systems → a policy set, and an account of what became of every field.
//
// Read are EgressGateway, EgressPolicy, EgressClusterPolicy and EgressClusterInfo (spidernet), Egress and ExternalIPPool (Antrea),
// with the configuration of its agents, VpcEgressGateway with the Subnets, IPPools and Vlans that it names (Kube-OVN),
// CiliumEgressGatewayPolicy, and Namespaces.
//
// 1. Without errors the set is valid: policy::Validate finds no error in it.
// 2. Every field of an object that is converted is exact, approximated or dropped; nothing is ignored in silence.
// 3. What cannot be said never widens a selection, and never lets traffic leave with an address that was not promised: such a policy is
//    written disabled, or it is an error.
// 4. Pure: the same texts give the same result.
// Called by ctl.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "egressd/policy/finding.h"
#include "egressd/policy/policy_set.h"
#include "egressd/yaml/write.h"

namespace egressd::convert {

struct Source {
  std::string name;  // of the file, for findings and comments
  std::string text;
};

enum class Outcome : std::uint8_t {
  kExact,
  kApproximated,
  kDropped,
};
std::string_view ToString(Outcome outcome);

struct Field {
  std::string path;  // "spec.egressIP.ipv4"; empty = the whole object
  Outcome outcome = Outcome::kExact;
  std::string becomes;  // "policies.shop.egress_ip"; empty when dropped
  std::string note;     // why it is not exact, or what to know; may be empty
  int line = 0;         // 0: the field is not there, and its default means something
  auto operator<=>(const Field&) const = default;
};

struct Object {
  std::string kind;
  std::string namespace_;
  std::string name;
  std::string file;
  int line = 0;
  int column = 0;
  std::vector<std::string> creates;  // "gateways.eg1", "pools.eg1"
  std::vector<Field> fields;         // in the order of the file
  auto operator<=>(const Object&) const = default;

  // "EgressPolicy default/web"
  std::string Title() const;
  std::size_t Count(Outcome outcome) const;
};

struct Conversion {
  policy::PolicySet set;                  // meaningful only without errors
  yaml::Comments comments;                // where each of its objects comes from
  std::vector<Object> objects;            // all that were read, in the order of the files
  std::vector<policy::Finding> findings;  // errors; sorted by file and line

  bool ok() const { return !policy::HasErrors(findings); }
  std::size_t Count(Outcome outcome) const;
};

Conversion Convert(const std::vector<Source>& sources);

// The policy file.
std::string Write(const Conversion& conversion);

}  // namespace egressd::convert
