#include "ctl/flow.h"

#include <array>
#include <charconv>
#include <format>
#include <optional>
#include <utility>

namespace egressd::ctl {

namespace {

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 5> kProtocols{
    {{"tcp", 6}, {"udp", 17}, {"sctp", 132}, {"icmp", 1}, {"icmpv6", 58}}};

std::optional<unsigned> Number(std::string_view text, unsigned largest) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > largest) return std::nullopt;
  return value;
}

}  // namespace

std::string ProtocolName(std::uint8_t protocol) {
  for (const auto& [name, number] : kProtocols) {
    if (number == protocol) return std::string(name);
  }
  return std::to_string(protocol);
}

Result<FlowEnd> ParseFlowEnd(std::string_view text) {
  FlowEnd out;
  bool ping = false;
  std::string_view rest = text;
  if (const std::size_t slash = rest.rfind('/'); slash != std::string_view::npos) {
    const std::string_view protocol = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
    bool known = false;
    for (const auto& [name, number] : kProtocols) {
      if (protocol != name) continue;
      out.protocol = number;
      known = true;
    }
    if (const auto number = Number(protocol, 255); !known && number) {
      out.protocol = static_cast<std::uint8_t>(*number);
      known = true;
    }
    if (!known)
      return Fail(ErrorKind::kInvalid, std::format("{}: unknown protocol '{}': tcp, udp, sctp, icmp or a number", text, protocol));
    ping = out.protocol == 1;
  }
  std::string_view address = rest;
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return Fail(ErrorKind::kInvalid, std::format("{}: the ] is missing", text));
    address = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
    if (!port.empty() && port.front() != ':') return Fail(ErrorKind::kInvalid, std::format("{}: expected :PORT behind the ]", text));
    if (!port.empty()) port.remove_prefix(1);
  } else if (const std::size_t colon = rest.find(':');
             colon != std::string_view::npos && rest.find(':', colon + 1) == std::string_view::npos) {
    address = rest.substr(0, colon);
    port = rest.substr(colon + 1);
  }
  auto parsed = IpAddress::Parse(address);
  if (!parsed) return Fail(ErrorKind::kInvalid, std::format("{}: an address is needed here (names are not looked up)", text));
  out.address = *parsed;
  if (ping && out.address.family() == Family::kIpv6) out.protocol = 58;
  if (!port.empty()) {
    const auto number = Number(port, 65535);
    if (!number || *number == 0) return Fail(ErrorKind::kInvalid, std::format("{}: '{}' is not a port", text, port));
    out.port = static_cast<std::uint16_t>(*number);
  }
  return out;
}

}  // namespace egressd::ctl
