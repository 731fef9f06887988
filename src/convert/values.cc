#include "convert/values.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "egressd/base/bit_rate.h"
#include "egressd/policy/limits.h"

namespace egressd::convert {
namespace {

__extension__ typedef unsigned __int128 Wide;

std::string Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

// The prefix of "address/length", bits of the host cleared.
std::optional<Prefix> ParseNetwork(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix::Of(*address);
  int length = 0;
  const std::string_view digits = text.substr(slash + 1);
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  const bool is_number = !digits.empty() && digits.front() != '-' && code == std::errc() && end == digits.data() + digits.size();
  if (!is_number || length > AddressBits(address->family())) return std::nullopt;
  return Prefix::Containing(*address, length);
}

Wide Number(const IpAddress& address) {
  Wide number = 0;
  for (const std::uint8_t byte : address.bytes()) number = number << 8 | byte;
  return number;
}

std::uint64_t Sum(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b ? std::numeric_limits<std::uint64_t>::max() : a + b;
}

constexpr std::string_view kAddressHint = "write it as in 203.0.113.10 or 2001:db8::10";

// Powers that a suffix stands for: 10^n and 2^n.
struct Suffix {
  std::string_view text;
  int decimal;
  int binary;
};
constexpr Suffix kSuffixes[] = {{"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"", 0, 0},   {"k", 3, 0},   {"M", 6, 0},
                                {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0}, {"Ki", 0, 10}, {"Mi", 0, 20},
                                {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60}};

// The decimal power behind a number: "M", "e6", "E6". nullopt: none of them.
std::optional<Suffix> ParseSuffix(std::string_view text) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.text == text) return suffix;
  }
  if (text.size() < 2 || (text.front() != 'e' && text.front() != 'E')) return std::nullopt;
  text.remove_prefix(text[1] == '+' ? 2 : 1);
  int power = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), power);
  if (text.empty() || code != std::errc() || end != text.data() + text.size() || power < -9 || power > 18) return std::nullopt;
  return Suffix{.text = "", .decimal = power, .binary = 0};
}

}  // namespace

std::optional<IpAddress> AddressOf(Manifest& manifest, const Node& node, std::string_view text) {
  const auto address = IpAddress::Parse(Trimmed(text));
  if (address) return *address;
  manifest.Error(node, kBadValue, address.error().message, std::string(kAddressHint));
  return std::nullopt;
}

std::optional<Prefix> NetworkOf(Manifest& manifest, const Node& node, std::string_view text) {
  if (const auto network = ParseNetwork(Trimmed(text))) return network;
  manifest.Error(node, kBadValue, std::format("expected a network such as 192.0.2.0/24, found {}", yaml::Describe(node)));
  return std::nullopt;
}

std::vector<Prefix> NetworksOf(Manifest& manifest, const Node& list) {
  std::vector<Prefix> networks;
  std::set<Prefix> seen;
  for (const Manifest::Item& item : manifest.Texts(list)) {
    const auto network = NetworkOf(manifest, *item.node, item.text);
    if (network && seen.insert(*network).second) networks.push_back(*network);
  }
  return networks;
}

std::optional<AddressRange> RangeOf(Manifest& manifest, const Node& node, std::string_view text) {
  const std::string trimmed = Trimmed(text);
  if (trimmed.contains('/')) {
    const auto network = NetworkOf(manifest, node, trimmed);
    if (!network) return std::nullopt;
    return RangeOf(*network);
  }
  const bool has_dots = trimmed.contains("..");
  const std::size_t middle = has_dots ? trimmed.find("..") : std::min(trimmed.find('-'), trimmed.size());
  const std::string first = Trimmed(std::string_view(trimmed).substr(0, middle));
  const std::string last = middle == trimmed.size() ? first : Trimmed(std::string_view(trimmed).substr(middle + (has_dots ? 2 : 1)));
  const auto range = AddressRange::Parse(first + "-" + last);
  if (range) return *range;
  manifest.Error(node, kBadValue, range.error().message, "write an address, `first-last` or a network");
  return std::nullopt;
}

AddressRange RangeOf(const Prefix& prefix) { return {.first = prefix.First(), .last = prefix.Last()}; }

std::vector<AddressRange> Without(const AddressRange& range, const AddressRange& hole) {
  if (range.family() != hole.family() || !range.Overlaps(hole)) return {range};
  std::vector<AddressRange> rest;
  if (range.first < hole.first) rest.push_back({.first = range.first, .last = *hole.first.Previous()});
  if (hole.last < range.last) rest.push_back({.first = *hole.last.Next(), .last = range.last});
  return rest;
}

std::vector<AddressRange> Once(const std::vector<AddressRange>& ranges) {
  std::vector<AddressRange> out;
  std::map<IpAddress, IpAddress> covered;  // first → last, disjoint
  for (const AddressRange& range : ranges) {
    auto at = covered.upper_bound(range.first);
    if (at != covered.begin() && std::prev(at)->second >= range.first) --at;
    AddressRange whole = range;
    std::optional<IpAddress> next = range.first;
    while (at != covered.end() && at->first <= range.last) {
      if (next && *next < at->first) out.push_back({.first = *next, .last = *at->first.Previous()});
      next = at->second.Next();
      whole = {.first = std::min(whole.first, at->first), .last = std::max(whole.last, at->second)};
      at = covered.erase(at);
    }
    if (next && *next <= range.last) out.push_back({.first = *next, .last = range.last});
    covered.emplace(whole.first, whole.last);
  }
  return out;
}

std::vector<AddressRange> Without(const std::vector<AddressRange>& ranges, const std::vector<AddressRange>& holes) {
  const std::size_t before = Once(holes).size();
  std::vector<AddressRange> all = holes;
  Append(all, ranges);
  all = Once(all);
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before));
  return all;
}

std::optional<IpAddress> Opposite(const std::vector<AddressRange>& from, const std::vector<AddressRange>& to, const IpAddress& address) {
  std::uint64_t index = 0;
  const auto holder = std::ranges::find_if(from, [&](const AddressRange& range) { return range.Contains(address); });
  if (holder == from.end()) return std::nullopt;
  for (auto range = from.begin(); range != holder; ++range) index = Sum(index, range->Count());
  const Wide offset = Number(address) - Number(holder->first);
  if (offset > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  index = Sum(index, static_cast<std::uint64_t>(offset));
  for (const AddressRange& range : to) {
    if (index < range.Count()) return range.first.Plus(index);
    index -= range.Count();
  }
  return std::nullopt;
}

std::uint64_t CountOf(const std::vector<AddressRange>& ranges) {
  std::uint64_t count = 0;
  for (const AddressRange& range : ranges) count = Sum(count, range.Count());
  return count;
}

std::optional<std::uint64_t> ParseQuantity(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, end);
  const auto suffix = ParseSuffix(text.substr(end));
  const std::size_t point = std::min(number.find('.'), number.size());
  const std::string digits = std::string(number.substr(0, point)) + std::string(number.substr(std::min(point + 1, number.size())));
  if (!suffix || digits.empty() || digits.contains('.') || digits.size() > 18) return std::nullopt;
  Wide value = 0;
  for (const char digit : digits) value = value * 10 + static_cast<Wide>(digit - '0');
  int decimal = suffix->decimal - static_cast<int>(digits.size() - std::min(point, digits.size()));
  value <<= suffix->binary;  // 60 + 60 bits at most
  for (; decimal > 0; --decimal) {
    value *= 10;
    if (value > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  }
  for (; decimal < 0; ++decimal) value = (value + 9) / 10;  // rounding up again and again is rounding up once
  if (value > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

policy::Bandwidth Limited(policy::Bandwidth wanted, std::string& notes) {
  const auto change = [&](std::uint64_t& bits, std::uint64_t to, std::string_view what) {
    notes += std::format("{}{} is {} here, not {}", notes.empty() ? "" : "; ", what, FormatBits(to), FormatBits(bits));
    bits = to;
  };
  const auto keep = [&](std::uint64_t& bits, const policy::BitLimits& limits, std::string_view what) {
    if (bits != 0 && !limits.Hold(bits)) change(bits, std::clamp(bits, limits.lowest, limits.highest), what);
  };
  keep(wanted.egress_bits, policy::kRateLimits, "the rate");
  keep(wanted.ingress_bits, policy::kRateLimits, "the rate of what comes back");
  keep(wanted.burst_bits, policy::kBurstLimits, "the burst");
  const std::uint64_t rate = std::max(wanted.egress_bits, wanted.ingress_bits);
  if (rate == 0) return {};
  if (wanted.burst_bits != 0 && wanted.burst_bits < rate) {
    notes += std::format("{}the kernel knows no burst below what the rate gives in a second", notes.empty() ? "" : "; ");
    wanted.burst_bits = 0;
  }
  return wanted;
}

}  // namespace egressd::convert
