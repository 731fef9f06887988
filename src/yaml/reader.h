// Typed access to nodes: every function returns the value, or reports why there is none.
//
// 1. A scalar that YAML parsers disagree about (010, no, 1e3, 12:34:56) is never guessed at where a name or number is expected.
// 2. Quoted text is text: "1000" is no number, "no" is a name.
// Called by policy_file.cc, workload_file.cc and node_file.cc.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/time.h"
#include "egressd/policy/limits.h"
#include "egressd/policy/policy_set.h"
#include "yaml/document.h"
#include "yaml/keys.h"
#include "yaml/report.h"

namespace egressd::yaml {

class Reader {
 public:
  explicit Reader(Report& report) : report_(report) {}
  Report& report() { return report_; }

  // A map with only these keys. False when it is no map.
  bool Map(const Node& node, std::span<const Key> keys, std::string_view what);
  // A map whose keys are names. False when it is no map.
  bool NamedMap(const Node& node, std::string_view what);
  // The items of a list, or the single value that stands in its place. `what`: "an address". Reports a map and nothing at all.
  std::vector<const Node*> Items(const Node& node, std::string_view what);
  // The same; an empty list is an error with this hint.
  std::vector<const Node*> SomeItems(const Node& node, std::string_view what, std::string_view hint);

  // A string where any text makes sense once parsers agree that it is text.
  std::optional<std::string> Text(const Node& node, std::string_view what);
  // The same, never empty.
  std::optional<std::string> Name(const Node& node, std::string_view what);
  // Like Name, for the key of an entry.
  bool IsName(const Node& key, std::string_view what);
  // A label's value: any scalar, taken as written.
  std::optional<std::string> LabelValue(const Node& node);
  policy::Labels Labels(const Node& node);
  // What `select:` says.
  std::vector<policy::Requirement> Select(const Node& node);
  // `labels:` as requirements; an empty map is an error.
  std::vector<policy::Requirement> LabelRequirements(const Node& node);

  std::optional<std::uint64_t> Number(const Node& node, std::uint64_t lowest, std::uint64_t highest);
  template <std::unsigned_integral Integer>
  void Number(const Node& map, std::string_view key, Integer& value, std::uint64_t lowest,
              std::uint64_t highest = std::numeric_limits<Integer>::max()) {
    const Node* node = Find(map, key);
    if (node == nullptr) return;
    if (const auto number = Number(*node, lowest, highest)) value = static_cast<Integer>(*number);
  }
  std::optional<bool> Boolean(const Node& node);
  // "100ms", "15s", "2m", "1h". `bare`: what a number without a unit is.
  enum class BareNumber : std::uint8_t { kSeconds, kRefused };
  std::optional<Duration> Time(const Node& node, const policy::DurationLimits& limits, BareNumber bare);
  void Time(const Node& map, std::string_view key, Duration& value, const policy::DurationLimits& limits, BareNumber bare);
  // "800M": bits, or bits in a second.
  std::optional<std::uint64_t> Bits(const Node& node, const policy::BitLimits& limits);
  std::optional<IpAddress> Address(const Node& node);
  std::optional<Prefix> Network(const Node& node);
  std::optional<AddressRange> Range(const Node& node);
  std::optional<policy::PortRange> Ports(const Node& node);
  // One of some words.
  std::optional<std::size_t> Word(const Node& node, std::span<const std::string_view> words);

  template <typename Value, std::size_t kCount>
  void Choice(const Node& map, std::string_view key, Value& value, const std::array<std::pair<std::string_view, Value>, kCount>& choices) {
    const Node* node = Find(map, key);
    if (node == nullptr) return;
    std::array<std::string_view, kCount> words;
    for (std::size_t i = 0; i < kCount; ++i) words[i] = choices[i].first;
    if (const auto index = Word(*node, words)) value = choices[*index].second;
  }

  // `version: 1`.
  enum class VersionKey : std::uint8_t { kNeeded, kOptional };
  void Version(const Node& root, VersionKey need);

 private:
  const Node* ExpectScalar(const Node& node, std::string_view what, std::string_view hint = {});
  void ReportAddress(const Node& node, const egressd::Error& error);

  Report& report_;
};

// workloads: of a policy file or a drop-in file.
std::optional<policy::Workload> ReadWorkload(Reader& reader, const Node& name, const Node& node);

}  // namespace egressd::yaml
