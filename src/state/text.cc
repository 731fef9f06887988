// Every object as one line for people.
#include <format>
#include <iterator>
#include <variant>

#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::state {
namespace {

std::string_view ToString(NftFamily family) { return family == NftFamily::kInet ? "inet" : "arp"; }

std::string ToString(const NftName& name) { return std::format("{} {}", ToString(name.family), name.name); }

std::string_view ToString(NftSet::Type type) {
  switch (type) {
    case NftSet::Type::kNothing: return "nothing";
    case NftSet::Type::kIpv4: return "ipv4_addr";
    case NftSet::Type::kIpv6: return "ipv6_addr";
    case NftSet::Type::kMark: return "mark";
    case NftSet::Type::kInterface: return "ifname";
    case NftSet::Type::kVerdict: return "verdict";
    case NftSet::Type::kMarkIpv4: return "mark . ipv4_addr";
    case NftSet::Type::kMarkIpv6: return "mark . ipv6_addr";
    case NftSet::Type::kProtocolPort: return "inet_proto . inet_service";
    case NftSet::Type::kCgroup: return "cgroupsv2";
    case NftSet::Type::kMarkMark: return "mark . mark";
    case NftSet::Type::kMacIpv4: return "ether_addr . ipv4_addr";
    case NftSet::Type::kMacIpv6: return "ether_addr . ipv6_addr";
    case NftSet::Type::kLimit: return "limit";
    case NftSet::Type::kMarkUserIpv4: return "mark . uid . ipv4_addr";
    case NftSet::Type::kMarkUserIpv6: return "mark . uid . ipv6_addr";
  }
  return "?";
}

std::string ToString(const NftVerdict& verdict) {
  switch (verdict.code) {
    case NftVerdict::Code::kAccept: return "accept";
    case NftVerdict::Code::kDrop: return "drop";
    case NftVerdict::Code::kReturn: return "return";
    case NftVerdict::Code::kJump: return "jump " + verdict.chain;
    case NftVerdict::Code::kGoto: return "goto " + verdict.chain;
  }
  return "?";
}

// "15s", "300ms"
std::string Seconds(Duration duration) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return milliseconds % 1000 == 0 ? std::format("{}s", milliseconds / 1000) : std::format("{}ms", milliseconds);
}

std::string ToString(const NftHook& hook) {
  constexpr std::string_view kTypes[] = {"filter", "nat", "route"};
  constexpr std::string_view kPoints[] = {"prerouting", "input", "forward", "output", "postrouting"};
  return std::format("{} hook {} priority {}", kTypes[static_cast<std::size_t>(hook.type)], kPoints[static_cast<std::size_t>(hook.point)],
                     hook.priority);
}

}  // namespace

std::string_view ToString(Operation operation) {
  switch (operation) {
    case Operation::kCreate: return "create";
    case Operation::kReplace: return "replace";
    case Operation::kRemove: return "remove";
  }
  return "?";
}

std::string ToString(const Sysctl& sysctl) { return std::format("sysctl {} = {}", sysctl.key.path, sysctl.value); }

std::string ToString(const Link& link) {
  return std::format("link {} vxlan vni {} port {} local {} mac {} mtu {}{}{}{}", link.key.name, link.vni, link.port, link.local.ToString(),
                     link.mac.ToString(), link.mtu_bytes, link.up ? "" : " down", link.group_policy ? "" : " without group policy",
                     link.learning ? " learning" : "");
}

std::string ToString(const Vlan& vlan) {
  return std::format("vlan {} id {} on {}{}", vlan.key.name, vlan.id, vlan.parent, vlan.up ? "" : " down");
}

std::string ToString(const Address& address) {
  return std::format("address {} dev {}", address.key.prefix.ToString(), address.key.device);
}

std::string ToString(const EgressAddress& address) {
  return std::format("egress address {} dev {}{}{}", address.key.address.ToString(), address.key.device,
                     address.lifetime ? " lifetime " + Seconds(*address.lifetime) : "", address.prefix_route ? " with prefix route" : "");
}

std::string ToString(const Neighbour& neighbour) {
  return std::format("neighbour {} mac {} dev {}", neighbour.key.address.ToString(), neighbour.mac.ToString(), neighbour.key.device);
}

std::string ToString(const FdbEntry& entry) {
  return std::format("fdb {} to {} dev {}", entry.key.mac.ToString(), entry.destination.ToString(), entry.key.device);
}

std::string ToString(const Route& route) {
  return std::format("route {} table {}{} dev {}{}", route.key.destination.ToString(), route.key.table,
                     route.next_hop ? " via " + route.next_hop->ToString() : "", route.device, route.onlink ? " onlink" : "");
}

std::string ToString(const Rule& rule) {
  const auto& key = rule.key;
  return std::format("rule {} priority {}{}{} lookup {}{}", egressd::ToString(key.family), key.priority,
                     key.input_device.empty() ? "" : " iif " + key.input_device,
                     key.mask == 0 ? "" : std::format(" fwmark {:#x}/{:#x}", key.mark, key.mask), key.table,
                     key.suppress_prefix_length ? std::format(" suppress_prefixlength {}", *key.suppress_prefix_length) : "");
}

std::string ToString(const NftTable& table) { return std::format("table {} {}", ToString(table.key.family), table.key.name); }

std::string ToString(const NftCounter& counter) { return "counter " + ToString(counter.key); }

std::string ToString(const NftLimit& limit) {
  return std::format("limit {} rate over {} bytes/second burst {} bytes", ToString(limit.key), limit.rate_bytes, limit.extra_bytes);
}

std::string ToString(const NftSet& set) {
  if (set.value == NftSet::Type::kNothing) {
    return std::format("set {} type {}{}{}{}", ToString(set.key), ToString(set.type), set.intervals ? " interval" : "",
                       set.timeouts ? " timeout" : "", set.counts ? " counter" : "");
  }
  return std::format("map {} type {} : {}{}{}{}", ToString(set.key), ToString(set.type), ToString(set.value),
                     set.intervals ? " interval" : "", set.timeouts ? " timeout" : "", set.counts ? " counter" : "");
}

std::string ToString(const NftChain& chain) {
  return std::format("chain {}{} with {} rule{}", ToString(chain.key), chain.hook ? " " + ToString(*chain.hook) : "", chain.rules.size(),
                     chain.rules.size() == 1 ? "" : "s");
}

std::string ToString(const NftElement& element) {
  std::string text = std::format("element {} {}", ToString(element.key.set), element.key.first.ToString());
  if (element.key.last != element.key.first) text += "-" + element.key.last.ToString();
  if (const auto* bytes = std::get_if<NftBytes>(&element.value)) text += " : " + bytes->ToString();
  if (const auto* verdict = std::get_if<NftVerdict>(&element.value)) text += " : " + ToString(*verdict);
  if (const auto* limit = std::get_if<NftLimitName>(&element.value)) text += " : limit " + limit->name;
  if (element.timeout) text += " timeout " + Seconds(*element.timeout);
  return text;
}

std::string ToString(const Step& step) {
  constexpr std::string_view kSigns[] = {"+ ", "~ ", "- "};
  return std::string(kSigns[static_cast<std::size_t>(step.operation)]) +
         std::visit([](const auto& object) { return ToString(object); }, step.object);
}

std::string ToString(const Transaction& transaction) {
  std::string text;
  for (const auto* phase : {&transaction.release, &transaction.build, &transaction.cut_over, &transaction.take, &transaction.clean}) {
    for (const Step& step : *phase) text += ToString(step) + "\n";
  }
  return text;
}

std::string_view KindOf(const Object& object) {
  // In the order of the variant.
  constexpr std::string_view kKinds[] = {"sysctl", "link",    "vlan",  "address", "neighbour", "fdb",     "route",         "rule",
                                         "table",  "counter", "limit", "set",     "chain",     "element", "egress_address"};
  static_assert(std::size(kKinds) == std::variant_size_v<Object>);
  return kKinds[object.index()];
}

}  // namespace egressd::state
