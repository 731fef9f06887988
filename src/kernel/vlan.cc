#include "kernel/vlan.h"

#include <linux/if_link.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cstring>
#include <format>

namespace egressd::kernel {
namespace {

constexpr std::string_view kAlias = "egressd";
constexpr std::string_view kKind = "vlan";
constexpr std::string_view kStem = "eg";

}  // namespace

RouteMessage CreateVlan(const state::Vlan& vlan, std::uint32_t parent_index) {
  RouteMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  message.Text(IFLA_IFNAME, vlan.key.name).Number(IFLA_LINK, parent_index);
  // Up whatever its parent is, so that a cable that is out for a while changes nothing here.
  const ifla_vlan_flags flags{.flags = VLAN_FLAG_REORDER_HDR | VLAN_FLAG_LOOSE_BINDING,
                              .mask = VLAN_FLAG_REORDER_HDR | VLAN_FLAG_LOOSE_BINDING};
  std::array<std::uint8_t, sizeof flags> bytes{};
  std::memcpy(bytes.data(), &flags, bytes.size());
  message.Begin(IFLA_LINKINFO).Text(IFLA_INFO_KIND, kKind).Begin(IFLA_INFO_DATA);
  message.Short(IFLA_VLAN_ID, vlan.id).Bytes(IFLA_VLAN_FLAGS, bytes);
  message.End().End();
  return message;
}

RouteMessage NameVlan(std::uint32_t index) {
  RouteMessage message(RTM_NEWLINK, 0, ifinfomsg{.ifi_index = static_cast<int>(index)});
  message.Text(IFLA_IFALIAS, kAlias);
  return message;
}

RouteMessage ChangeVlan(const state::Vlan& vlan, std::uint32_t index) {
  const unsigned flags = vlan.up ? static_cast<unsigned>(IFF_UP) : 0u;
  return RouteMessage(RTM_NEWLINK, 0, ifinfomsg{.ifi_index = static_cast<int>(index), .ifi_flags = flags, .ifi_change = IFF_UP});
}

std::optional<Seen<state::Vlan>> DecodeVlan(const nlmsghdr& message, const Devices& devices) {
  const auto* const header = HeaderOf<ifinfomsg>(message);
  if (header == nullptr) return std::nullopt;
  const RouteAttributes attributes(message, sizeof *header);
  const RouteAttributes described = attributes.Nested(IFLA_LINKINFO);
  if (described.Text(IFLA_INFO_KIND) != kKind) return std::nullopt;
  Seen<state::Vlan> seen;
  state::Vlan& vlan = seen.object;
  vlan.key.name = attributes.Text(IFLA_IFNAME);
  vlan.parent = devices.Name(attributes.Number(IFLA_LINK).value_or(0));
  vlan.id = described.Nested(IFLA_INFO_DATA).Short(IFLA_VLAN_ID).value_or(0);
  vlan.up = (header->ifi_flags & IFF_UP) != 0;
  const std::string alias = attributes.Text(IFLA_IFALIAS);
  const bool half_made = alias.empty() && !vlan.up && vlan.key.name.starts_with(std::format("{}{}-", kStem, vlan.id));
  seen.ours = alias == kAlias || half_made;
  return seen;
}

}  // namespace egressd::kernel
