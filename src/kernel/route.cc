#include "kernel/route.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace egressd::kernel {
namespace {

rtmsg Header(const state::Route& route) {
  const Prefix& destination = route.key.destination;
  rtmsg header{};
  header.rtm_family = destination.family() == Family::kIpv4 ? AF_INET : AF_INET6;
  header.rtm_dst_len = destination.length;
  header.rtm_table = route.key.table < 256 ? static_cast<std::uint8_t>(route.key.table) : std::uint8_t{RT_TABLE_UNSPEC};
  header.rtm_protocol = state::kProtocol;
  // IPv4 wants a smaller scope for a next hop that is on the link; IPv6 knows no scopes.
  header.rtm_scope = route.next_hop || destination.family() == Family::kIpv6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  header.rtm_flags = route.onlink ? static_cast<unsigned>(RTNH_F_ONLINK) : 0u;
  return header;
}

RouteMessage WithAttributes(RouteMessage message, const state::Route& route, std::uint32_t device_index) {
  if (route.key.destination.length != 0) message.Address(RTA_DST, route.key.destination.address);
  message.Number(RTA_TABLE, route.key.table).Number(RTA_OIF, device_index);
  if (route.next_hop) message.Address(RTA_GATEWAY, *route.next_hop);
  return message;
}

std::optional<Prefix> DestinationOf(const rtmsg& header, const RouteAttributes& attributes) {
  if (header.rtm_family != AF_INET && header.rtm_family != AF_INET6) return std::nullopt;
  const IpAddress any = header.rtm_family == AF_INET ? IpAddress() : IpAddress::Ipv6(std::array<std::uint8_t, 16>{});
  return Prefix{.address = attributes.Address(RTA_DST).value_or(any), .length = header.rtm_dst_len};
}

// RTA_GATEWAY, or RTA_VIA where the next hop is of the other family.
std::optional<IpAddress> NextHopOf(const RouteAttributes& attributes) {
  if (const auto gateway = attributes.Address(RTA_GATEWAY)) return gateway;
  const auto via = attributes.Bytes(RTA_VIA);
  if (via.size() == 2 + 4 || via.size() == 2 + 16) return IpAddress::FromBytes(via.subspan(2));
  return std::nullopt;
}

RouteMessage Dump(Family family, std::uint8_t protocol, std::uint8_t table) {
  rtmsg header{};
  header.rtm_family = family == Family::kIpv4 ? AF_INET : AF_INET6;
  header.rtm_protocol = protocol;
  header.rtm_table = table;
  return RouteMessage(RTM_GETROUTE, 0, header);
}

}  // namespace

RouteMessage CreateRoute(const state::Route& route, std::uint32_t device_index) {
  return WithAttributes(RouteMessage(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, Header(route)), route, device_index);
}

RouteMessage RemoveRoute(const state::Route& route, std::uint32_t device_index) {
  return WithAttributes(RouteMessage(RTM_DELROUTE, 0, Header(route)), route, device_index);
}

RouteMessage DumpRoutes(Family family) { return Dump(family, state::kProtocol, 0); }
RouteMessage DumpMainRoutes(Family family) { return Dump(family, 0, RT_TABLE_MAIN); }

std::optional<Seen<state::Route>> DecodeRoute(const nlmsghdr& message, const Devices& devices) {
  const auto* const header = HeaderOf<rtmsg>(message);
  if (header == nullptr || (header->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  const RouteAttributes attributes(message, sizeof *header);
  const auto destination = DestinationOf(*header, attributes);
  if (!destination) return std::nullopt;
  Seen<state::Route> seen;
  seen.object.key = {.table = attributes.Number(RTA_TABLE).value_or(header->rtm_table), .destination = *destination};
  seen.object.device = devices.Name(attributes.Number(RTA_OIF).value_or(0));
  seen.object.next_hop = NextHopOf(attributes);
  seen.object.onlink = (header->rtm_flags & RTNH_F_ONLINK) != 0;
  seen.ours = header->rtm_protocol == state::kProtocol && header->rtm_type == RTN_UNICAST;
  return seen;
}

std::vector<state::HostRoute> DecodeHostRoute(const nlmsghdr& message, const Devices& devices) {
  const auto* const header = HeaderOf<rtmsg>(message);
  if (header == nullptr || header->rtm_type != RTN_UNICAST || header->rtm_protocol == state::kProtocol) return {};
  if ((header->rtm_flags & RTM_F_CLONED) != 0) return {};
  const RouteAttributes attributes(message, sizeof *header);
  const auto destination = DestinationOf(*header, attributes);
  if (!destination || attributes.Number(RTA_TABLE).value_or(header->rtm_table) != RT_TABLE_MAIN) return {};
  const std::uint32_t metric = attributes.Number(RTA_PRIORITY).value_or(0);
  std::vector<state::HostRoute> routes;
  if (const auto device = attributes.Number(RTA_OIF)) {
    routes.push_back({.destination = *destination, .device = devices.Name(*device), .next_hop = NextHopOf(attributes), .metric = metric});
  }
  // struct rtnexthop, its attributes, the next one …
  auto rest = attributes.Bytes(RTA_MULTIPATH);
  while (rest.size() >= sizeof(rtnexthop)) {
    rtnexthop hop{};
    std::memcpy(&hop, rest.data(), sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > rest.size()) break;
    const RouteAttributes of_hop(rest.subspan(sizeof hop, hop.rtnh_len - sizeof hop));
    routes.push_back({.destination = *destination,
                      .device = devices.Name(static_cast<std::uint32_t>(hop.rtnh_ifindex)),
                      .next_hop = NextHopOf(of_hop),
                      .metric = metric});
    const std::size_t padded = (std::size_t{hop.rtnh_len} + 3) / 4 * 4;
    rest = rest.subspan(std::min(rest.size(), padded));
  }
  return routes;
}

}  // namespace egressd::kernel
