#include "kernel/rule.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace egressd::kernel {
namespace {

fib_rule_hdr Header(Family family) {
  fib_rule_hdr header{};
  header.family = family == Family::kIpv4 ? AF_INET : AF_INET6;
  return header;
}

RouteMessage Encode(int type, int flags, const state::Rule::Key& key) {
  fib_rule_hdr header = Header(key.family);
  header.action = FR_ACT_TO_TBL;
  header.table = key.table < 256 ? static_cast<std::uint8_t>(key.table) : std::uint8_t{RT_TABLE_UNSPEC};
  RouteMessage message(type, flags, header);
  message.Number(FRA_PRIORITY, key.priority).Number(FRA_TABLE, key.table).Byte(FRA_PROTOCOL, state::kProtocol);
  if (key.mask != 0) message.Number(FRA_FWMARK, key.mark).Number(FRA_FWMASK, key.mask);
  if (!key.input_device.empty()) message.Text(FRA_IIFNAME, key.input_device);
  if (key.suppress_prefix_length) message.Number(FRA_SUPPRESS_PREFIXLEN, static_cast<std::uint32_t>(*key.suppress_prefix_length));
  return message;
}

}  // namespace

RouteMessage CreateRule(const state::Rule& rule) { return Encode(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule.key); }
RouteMessage RemoveRule(const state::Rule& rule) { return Encode(RTM_DELRULE, 0, rule.key); }
RouteMessage DumpRules(Family family) { return RouteMessage(RTM_GETRULE, 0, Header(family)); }

std::optional<Seen<state::Rule>> DecodeRule(const nlmsghdr& message) {
  const auto* const header = HeaderOf<fib_rule_hdr>(message);
  if (header == nullptr || (header->family != AF_INET && header->family != AF_INET6)) return std::nullopt;
  const RouteAttributes attributes(message, sizeof *header);
  Seen<state::Rule> seen;
  state::Rule::Key& key = seen.object.key;
  key.family = header->family == AF_INET ? Family::kIpv4 : Family::kIpv6;
  key.priority = attributes.Number(FRA_PRIORITY).value_or(0);
  key.mark = attributes.Number(FRA_FWMARK).value_or(0);
  key.mask = attributes.Number(FRA_FWMASK).value_or(0);
  key.table = attributes.Number(FRA_TABLE).value_or(header->table);
  key.input_device = attributes.Text(FRA_IIFNAME);
  const auto suppressed = static_cast<std::int32_t>(attributes.Number(FRA_SUPPRESS_PREFIXLEN).value_or(0xffffffff));
  if (suppressed >= 0) key.suppress_prefix_length = suppressed;
  seen.ours = header->action == FR_ACT_TO_TBL && attributes.Byte(FRA_PROTOCOL) == state::kProtocol;
  return seen;
}

}  // namespace egressd::kernel
