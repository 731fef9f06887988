// Addresses, networks, ranges, ports, durations and bits, each with the hint that the usual mistake deserves.
#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <optional>
#include <string>

#include "egressd/base/bit_rate.h"
#include "egressd/base/duration.h"
#include "yaml/codes.h"
#include "yaml/reader.h"
#include "yaml/scalar.h"

namespace egressd::yaml {
namespace {

constexpr std::string_view kQuoteIpv6 = "quote IPv6 addresses: \"2001:db8::10\"";

bool HasLeadingZeros(std::string_view text) {
  if (text.contains(':')) return false;
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    const bool starts_group = at == 0 || text[at - 1] == '.' || text[at - 1] == '-';
    if (starts_group && text[at] == '0' && text[at + 1] >= '0' && text[at + 1] <= '9') return true;
  }
  return false;
}

std::string AddressHint(std::string_view text, std::string_view message) {
  if (message.contains("did you mean")) return "the message names the network that contains it";
  if (text.contains('%')) return "an address with a zone (`%eth0`) is link-local and means nothing on another node";
  if (HasLeadingZeros(text)) return "leading zeros are octal to some programs: write the number without them";
  const bool named = std::ranges::any_of(text, [](char c) { return (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z'); });
  if (named) return "host names are not supported by this build: write addresses or networks";
  return {};
}

struct Protocol {
  std::string_view name;
  std::uint8_t number;
};
constexpr auto kProtocols = std::to_array<Protocol>({{"tcp", 6}, {"udp", 17}, {"sctp", 132}});

const Protocol* FindProtocol(std::string_view name) {
  const auto found = std::ranges::find(kProtocols, name, &Protocol::name);
  return found == kProtocols.end() ? nullptr : &*found;
}

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  if (text.empty() || text[0] < '1' || text[0] > '9') return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

struct Bounds {
  std::optional<std::uint16_t> first;
  std::optional<std::uint16_t> last;
};

Bounds ParseBounds(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = ParsePort(text.substr(0, dash));
  return {first, dash == std::string_view::npos ? first : ParsePort(text.substr(dash + 1))};
}

std::string PortHint(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    const Bounds bounds = ParseBounds(text);
    if (bounds.first && bounds.last) return std::format("write `tcp/{}` or `udp/{}`", text, text);
    if (FindProtocol(text) != nullptr) return std::format("every port of {} is `{}/1-65535`", text, text);
  } else if (FindProtocol(text.substr(slash + 1)) != nullptr) {
    return std::format("did you mean `{}/{}`?", text.substr(slash + 1), Printable(text.substr(0, std::min<std::size_t>(slash, 20))));
  }
  return "write `tcp/25`, `udp/8000-8100` or `sctp/5000`; protocols without ports need no entry here";
}

}  // namespace

void Reader::ReportAddress(const Node& node, const egressd::Error& error) {
  const std::string message = node.text.size() > 60 ? std::format("{} is not an address", Quote(node.text)) : Printable(error.message);
  report_.Error(node, kBadAddress, message, AddressHint(node.text, message));
}

std::optional<IpAddress> Reader::Address(const Node& node) {
  if (ExpectScalar(node, "an address", node.is_map() ? kQuoteIpv6 : "") == nullptr) return std::nullopt;
  auto address = IpAddress::Parse(node.text);
  if (address) return *address;
  if (node.text.contains('/')) {
    report_.Error(node, kBadAddress, std::format("expected one address, found the network {}", Quote(node.text)),
                  "leave the prefix length out");
    return std::nullopt;
  }
  ReportAddress(node, address.error());
  return std::nullopt;
}

std::optional<Prefix> Reader::Network(const Node& node) {
  if (ExpectScalar(node, "a network or address", node.is_map() ? kQuoteIpv6 : "") == nullptr) return std::nullopt;
  auto prefix = Prefix::Parse(node.text);
  if (prefix) return *prefix;
  ReportAddress(node, prefix.error());
  return std::nullopt;
}

std::optional<AddressRange> Reader::Range(const Node& node) {
  if (ExpectScalar(node, "an address, a range or a network", node.is_map() ? kQuoteIpv6 : "") == nullptr) return std::nullopt;
  auto range = AddressRange::Parse(node.text);
  if (range) return *range;
  ReportAddress(node, range.error());
  return std::nullopt;
}

std::optional<policy::PortRange> Reader::Ports(const Node& node) {
  if (ExpectScalar(node, "a port such as tcp/25", node.is_map() ? "write `tcp/25`" : "") == nullptr) return std::nullopt;
  const std::string_view text = node.text;
  const std::size_t slash = text.find('/');
  const Protocol* protocol = slash == std::string_view::npos ? nullptr : FindProtocol(text.substr(0, slash));
  if (protocol == nullptr) {
    report_.Error(node, kBadPort, std::format("expected protocol and port, found {}", Quote(text)), PortHint(text));
    return std::nullopt;
  }
  const Bounds bounds = ParseBounds(text.substr(slash + 1));
  if (!bounds.first || !bounds.last) {
    report_.Error(node, kBadPort, std::format("{}: ports are 1-65535, without leading zeros", Quote(text)));
    return std::nullopt;
  }
  if (*bounds.last < *bounds.first) {
    report_.Error(node, kBadPort, std::format("{} ends before it starts", Quote(text)),
                  std::format("write `{}/{}-{}`", protocol->name, *bounds.last, *bounds.first));
    return std::nullopt;
  }
  return policy::PortRange{.protocol = protocol->number, .first = *bounds.first, .last = *bounds.last};
}

std::optional<Duration> Reader::Time(const Node& node, const policy::DurationLimits& limits, BareNumber bare) {
  const std::string expected = std::format("a duration {}-{}", FormatDuration(limits.lowest), FormatDuration(limits.highest));
  if (ExpectScalar(node, expected) == nullptr) return std::nullopt;
  const Looks looks = LooksLike(node.text);
  if (!node.is_quoted && IsAmbiguous(looks)) {
    report_.Error(node, kAmbiguous, std::format("{} {}, expected {}", Quote(node.text), Words(looks), expected),
                  std::format("write a whole number and a unit: `{}`", FormatDuration(limits.lowest)));
    return std::nullopt;
  }
  const bool has_unit = looks != Looks::kInteger;
  if (!has_unit && (bare == BareNumber::kRefused || node.is_quoted)) {
    report_.Error(node, kBadDuration, std::format("{} has no unit, expected {}", Quote(node.text), expected),
                  std::format("write `{0}ms` or `{0}s`", Printable(node.text.substr(0, 20))));
    return std::nullopt;
  }
  const auto duration = ParseDuration(has_unit ? node.text : node.text + "s");
  if (!duration) {
    report_.Error(node, kBadDuration, std::format("expected {}, found {}", expected, Quote(node.text)),
                  "write a whole number and one of ms, s, m, h: 100ms, 15s, 2m");
    return std::nullopt;
  }
  if (limits.Hold(*duration)) return *duration;
  report_.Error(node, kBadDuration, std::format("{} is out of range, expected {}", Quote(node.text), expected));
  return std::nullopt;
}

void Reader::Time(const Node& map, std::string_view key, Duration& value, const policy::DurationLimits& limits, BareNumber bare) {
  const Node* node = Find(map, key);
  if (node == nullptr) return;
  if (const auto duration = Time(*node, limits, bare)) value = *duration;
}

std::optional<std::uint64_t> Reader::Bits(const Node& node, const policy::BitLimits& limits) {
  const std::string expected = std::format("bits {}-{}", FormatBits(limits.lowest), FormatBits(limits.highest));
  constexpr std::string_view kHint = "write a whole number and one of k, M, G: 500k, 800M, 2G; bits, not bytes";
  if (ExpectScalar(node, expected) == nullptr) return std::nullopt;
  const Looks looks = LooksLike(node.text);
  if (!node.is_quoted && IsAmbiguous(looks)) {
    report_.Error(node, kAmbiguous, std::format("{} {}, expected {}", Quote(node.text), Words(looks), expected), std::string(kHint));
    return std::nullopt;
  }
  const auto bits = ParseBits(node.text);
  if (!bits) {
    report_.Error(node, kBadRate, std::format("expected {}, found {}", expected, Quote(node.text)), std::string(kHint));
    return std::nullopt;
  }
  if (limits.Hold(*bits)) return *bits;
  report_.Error(node, kBadRate, std::format("{} is out of range, expected {}", Quote(node.text), expected), std::string(kHint));
  return std::nullopt;
}

}  // namespace egressd::yaml
