#include "kernel/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace egressd::kernel {
namespace {

constexpr std::string_view kAlias = "egressd";
constexpr std::string_view kKind = "vxlan";

RouteMessage NameOnly(std::uint32_t index) {
  RouteMessage message(RTM_NEWLINK, 0, ifinfomsg{.ifi_index = static_cast<int>(index)});
  message.Text(IFLA_IFALIAS, kAlias);
  return message;
}

}  // namespace

bool CanChange(const state::Link& observed, const state::Link& desired) {
  return observed.vni == desired.vni && observed.port == desired.port && observed.local == desired.local &&
         observed.group_policy == desired.group_policy && observed.learning == desired.learning;
}

RouteMessage CreateLink(const state::Link& link) {
  RouteMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  message.Text(IFLA_IFNAME, link.key.name).Bytes(IFLA_ADDRESS, link.mac.bytes).Number(IFLA_MTU, link.mtu_bytes);
  message.Begin(IFLA_LINKINFO).Text(IFLA_INFO_KIND, kKind).Begin(IFLA_INFO_DATA);
  message.Number(IFLA_VXLAN_ID, link.vni).Port(IFLA_VXLAN_PORT, link.port).Byte(IFLA_VXLAN_LEARNING, link.learning ? 1 : 0);
  message.Address(link.local.family() == Family::kIpv4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, link.local);
  if (link.group_policy) message.Flag(IFLA_VXLAN_GBP);
  message.End().End();
  return message;
}

RouteMessage NameLinkWithoutIpv6(std::uint32_t index) { return NameOnly(index); }

RouteMessage NameLink(std::uint32_t index) {
  RouteMessage message = NameOnly(index);
  message.Begin(IFLA_AF_SPEC).Begin(AF_INET6).Byte(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE).End().End();
  return message;
}

RouteMessage ChangeLink(const state::Link& link, std::uint32_t index) {
  const unsigned flags = link.up ? static_cast<unsigned>(IFF_UP) : 0u;
  RouteMessage message(RTM_NEWLINK, 0, ifinfomsg{.ifi_index = static_cast<int>(index), .ifi_flags = flags, .ifi_change = IFF_UP});
  message.Bytes(IFLA_ADDRESS, link.mac.bytes).Number(IFLA_MTU, link.mtu_bytes);
  return message;
}

RouteMessage RemoveLink(std::uint32_t index) { return RouteMessage(RTM_DELLINK, 0, ifinfomsg{.ifi_index = static_cast<int>(index)}); }

RouteMessage DumpLinks() { return RouteMessage(RTM_GETLINK, 0, ifinfomsg{}); }

std::optional<Seen<state::Link>> DecodeLink(const nlmsghdr& message, const std::string& name) {
  const auto* const header = HeaderOf<ifinfomsg>(message);
  if (header == nullptr) return std::nullopt;
  const RouteAttributes attributes(message, sizeof *header);
  if (attributes.Text(IFLA_IFNAME) != name) return std::nullopt;
  const RouteAttributes described = attributes.Nested(IFLA_LINKINFO);
  const RouteAttributes vxlan = described.Nested(IFLA_INFO_DATA);
  Seen<state::Link> seen{.object = {.key = {.name = name}}};
  state::Link& link = seen.object;
  link.vni = vxlan.Number(IFLA_VXLAN_ID).value_or(0);
  link.port = vxlan.Port(IFLA_VXLAN_PORT).value_or(0);
  if (const auto local = vxlan.Address(IFLA_VXLAN_LOCAL)) link.local = *local;
  if (const auto local = vxlan.Address(IFLA_VXLAN_LOCAL6)) link.local = *local;
  if (const auto mac = attributes.Mac(IFLA_ADDRESS)) link.mac = *mac;
  link.mtu_bytes = attributes.Number(IFLA_MTU).value_or(0);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.group_policy = vxlan.Has(IFLA_VXLAN_GBP);
  link.learning = vxlan.Byte(IFLA_VXLAN_LEARNING).value_or(0) != 0;
  const std::string alias = attributes.Text(IFLA_IFALIAS);
  const bool half_made = alias.empty() && !link.up && link.group_policy && !link.learning;
  seen.ours = described.Text(IFLA_INFO_KIND) == kKind && (alias == kAlias || half_made);
  return seen;
}

}  // namespace egressd::kernel
