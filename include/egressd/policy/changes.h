// The difference between two policy sets, object by object: what `apply` prints and `diff` shows.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/binding.h"
#include "egressd/policy/policy_set.h"

namespace egressd::policy {

enum class ChangeKind : std::uint8_t { kCreated, kChanged, kUnchanged, kRemoved };
std::string_view ToString(ChangeKind kind);

struct Change {
  ChangeKind kind = ChangeKind::kUnchanged;
  std::string object;               // "policy/mailer", "gateway/edge", "pool/public", "workload/erp", "destinations/saas", "internal"
  std::vector<std::string> details; // "priority: 1000 -> 10", one for each attribute that changed
  auto operator<=>(const Change&) const = default;
};

// In order of object; kUnchanged ones are included.
std::vector<Change> Changes(const PolicySet& before, const PolicySet& after);
// What happens to addresses: "egress IP 203.0.113.10: policy mailer, was 203.0.113.11", … one line an effect.
std::vector<std::string> Effects(const Bindings& before, const Bindings& after);

}  // namespace egressd::policy
