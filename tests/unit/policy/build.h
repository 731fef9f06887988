// Short words for building policy sets in tests.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/finding.h"
#include "egressd/policy/policy_set.h"
#include "egressd/policy/validate.h"

namespace egressd::policy::test {

inline IpAddress A(std::string_view text) { return IpAddress::Parse(text).value(); }
inline Prefix P(std::string_view text) { return Prefix::Parse(text).value(); }
inline AddressRange R(std::string_view text) { return AddressRange::Parse(text).value(); }

inline Requirement Is(std::string key, std::string value) {
  return {.key = std::move(key), .op = Requirement::Operator::kIn, .values = {std::move(value)}};
}
inline Selector Labelled(std::string key, std::string value) { return {.labels = {Is(std::move(key), std::move(value))}}; }

inline void Add(PolicySet& set, Policy policy) { set.policies[policy.name] = std::move(policy); }
inline void Add(PolicySet& set, Pool pool) { set.pools[pool.name] = std::move(pool); }
inline void Add(PolicySet& set, Gateway gateway) { set.gateways[gateway.name] = std::move(gateway); }
inline void Add(PolicySet& set, Workload workload) { set.workloads[workload.name] = std::move(workload); }

// One pool, one default gateway, one policy, one workload: no finding.
inline PolicySet Sound() {
  PolicySet set;
  Add(set, Pool{.name = "public", .ipv4 = {R("203.0.113.10-203.0.113.13")}, .ipv6 = {R("2001:db8:1::10-2001:db8:1::13")}});
  Add(set, Gateway{.name = "edge", .is_default = true, .nodes = {.names = {"gw1"}}, .pools = {"public"}});
  Add(set, Policy{.name = "mailer", .from = {Labelled("app", "postfix")}});
  Add(set, Workload{.name = "mail", .addresses = {A("10.1.7.20")}, .labels = {{"app", "postfix"}}});
  return set;
}

// "E201 gateways.core.default", in the order of the findings.
inline std::vector<std::string> Seen(const std::vector<Finding>& findings) {
  std::vector<std::string> seen;
  for (const Finding& finding : findings) seen.push_back(finding.path.empty() ? finding.code : finding.code + " " + finding.path);
  return seen;
}
inline std::vector<std::string> Seen(const PolicySet& set, const Surroundings& surroundings = {}) {
  return Seen(Validate(set, surroundings));
}

using Texts = std::vector<std::string>;

}  // namespace egressd::policy::test

// doctest prints these when a comparison fails.
template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static doctest::String convert(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += "\n  " + text;
    return all.c_str();
  }
};
