// Which selectors match a workload, found without asking every selector: each is filed under its rarest necessary feature
// (a label with its value, a name, the beginning of a glob, a namespace), and a workload asks only where its own features lead.
// Called by Selection and by the check for overlapping policies.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/interests.h"

namespace egressd::policy {

class SelectorIndex {
 public:
  // Keeps the pointers. Only selectors that speak of workloads and count here are filed.
  SelectorIndex(const std::vector<const Policy*>& order, const Vantage& vantage);

  struct Entry {
    Rank rank = 0;
    const Policy* policy = nullptr;
    const Selector* selector = nullptr;
  };
  // Selectors whose conditions on the workload hold; those on the address (`cidr`) and the device are still open.
  std::vector<Entry> Match(const Workload& workload) const;
  // Of those, what remains for one address. Normal form.
  static InterestList At(const std::vector<Entry>& matches, const IpAddress& address);

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Files = std::unordered_map<std::string, std::vector<Entry>, TextHash, std::equal_to<>>;
  void Collect(std::string_view feature, const Workload& workload, std::vector<Entry>& matches) const;

  Vantage vantage_;
  Files files_;
  std::vector<Entry> unfiled_;               // no necessary feature: every workload asks them
  std::vector<std::size_t> prefix_lengths_;  // of the glob beginnings in files_, ascending
};

}  // namespace egressd::policy
