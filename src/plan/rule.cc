#include "plan/rule.h"

#include <format>
#include <utility>

#include "plan/rule_text.h"
#include "plan/skeleton.h"

namespace egressd::plan {
namespace {

using state::NftBytes;
using state::NftCompare;
using state::NftCt;
using state::NftLookup;
using state::NftMeta;
using state::NftPayload;

constexpr std::uint8_t kUdp = 17, kTcp = 6, kIcmpv6 = 58;
constexpr std::uint8_t kNfprotoIpv4 = 2, kNfprotoIpv6 = 10;  // NFPROTO_IPV4, NFPROTO_IPV6
constexpr std::uint32_t kTcpFlagsOffset = 13;
constexpr std::uint32_t kTargetOffset = 8;   // RFC 4861 sections 4.3 and 4.4
constexpr std::uint32_t kSenderOffset = 14;  // RFC 826 with Ethernet and IPv4: behind types, lengths, operation and hardware address
constexpr std::uint32_t kOperationOffset = 6, kTargetProtocolOffset = 24;
constexpr std::uint16_t kArpRequest = 1;
constexpr std::size_t kUsualExpressions = 12;

}  // namespace

Words& Words::Say(std::initializer_list<std::string_view> parts) {
  if (!rule_.text.empty()) rule_.text += ' ';
  for (const std::string_view part : parts) rule_.text += part;
  return *this;
}

Words& Words::Add(state::NftExpression expression) {
  if (rule_.expressions.empty()) rule_.expressions.reserve(kUsualExpressions);
  rule_.expressions.push_back(std::move(expression));
  return *this;
}

Words& Words::From(std::string_view device) {
  return Add(NftMeta{.key = NftMeta::Key::kIifname}).Add(NftCompare{.value = NftBytes::InterfaceName(device)}).Say({"iifname ", device});
}

Words& Words::To(std::string_view device) {
  return Add(NftMeta{.key = NftMeta::Key::kOifname}).Add(NftCompare{.value = NftBytes::InterfaceName(device)}).Say({"oifname ", device});
}

Words& Words::Is(Family family) {
  return Need(family).Say({family == Family::kIpv4 ? "meta nfproto ipv4" : "meta nfproto ipv6"});
}

Words& Words::Need(Family family) {
  if (family_) return *this;
  family_ = family;
  return Add(NftMeta{.key = NftMeta::Key::kNfproto})
      .Add(NftCompare{.value = NftBytes::Byte(family == Family::kIpv4 ? kNfprotoIpv4 : kNfprotoIpv6)});
}

Words& Words::Protocol(std::uint8_t number) {
  return Add(NftMeta{.key = NftMeta::Key::kL4proto}).Add(NftCompare{.value = NftBytes::Byte(number)})
      .Say({"meta l4proto ", std::to_string(number)});
}

Words& Words::NotProtocol(std::uint8_t number) {
  return Add(NftMeta{.key = NftMeta::Key::kL4proto})
      .Add(NftCompare{.value = NftBytes::Byte(number), .negate = true})
      .Say({"meta l4proto != ", std::to_string(number)});
}

Words& Words::UdpPort(std::uint16_t port) {
  return Add(NftMeta{.key = NftMeta::Key::kL4proto})
      .Add(NftCompare{.value = NftBytes::Byte(kUdp)})
      .Add(NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = 2, .length_bytes = 2})
      .Add(NftCompare{.value = NftBytes::Port(port)})
      .Say({"udp dport ", std::to_string(port)});
}

Words& Words::LoadAddress(Family family, std::uint32_t offset_ipv4, std::uint32_t offset_ipv6, state::NftRegister reg) {
  const bool ipv4 = family == Family::kIpv4;
  return Need(family).Add(NftPayload{.base = NftPayload::Base::kNetwork,
                                   .offset_bytes = ipv4 ? offset_ipv4 : offset_ipv6,
                                   .length_bytes = ipv4 ? 4u : 16u,
                                   .reg = reg});
}
Words& Words::LoadSource(Family family, state::NftRegister reg) { return LoadAddress(family, 12, 8, reg); }
Words& Words::LoadDestination(Family family) { return LoadAddress(family, 16, 24, 1); }

Words& Words::Lookup(std::string_view set_name) { return Add(NftLookup{.set = std::string(set_name)}); }
Words& Words::LookupMiss(std::string_view set_name) { return Add(NftLookup{.set = std::string(set_name), .negate = true}); }
Words& Words::LookupValue(std::string_view map) {
  return Add(NftLookup{.set = std::string(map), .result = NftLookup::Result::kValue});
}

Words& Words::SourceIn(Family family, std::string_view set_name) {
  return LoadSource(family).Lookup(set_name).Say({Ip(family), " saddr @", set_name});
}
Words& Words::SourceNotIn(Family family, std::string_view set_name) {
  return LoadSource(family).LookupMiss(set_name).Say({Ip(family), " saddr != @", set_name});
}
Words& Words::SourceIsNot(const IpAddress& address) {
  return LoadSource(address.family())
      .Add(NftCompare{.value = NftBytes::Of(address), .negate = true})
      .Say({Ip(address.family()), " saddr != ", address.ToString()});
}
Words& Words::DestinationIn(Family family, std::string_view set_name) {
  return LoadDestination(family).Lookup(set_name).Say({Ip(family), " daddr @", set_name});
}
Words& Words::DestinationNotIn(Family family, std::string_view set_name) {
  return LoadDestination(family).LookupMiss(set_name).Say({Ip(family), " daddr != @", set_name});
}

Words& Words::DestinationIn(const Prefix& prefix) {
  const Family family = prefix.family();
  std::array<std::uint8_t, 16> mask{};
  for (std::size_t bit = 0; bit < prefix.length; ++bit) mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | (0x80u >> (bit % 8)));
  const std::span<const std::uint8_t> bytes(mask.data(), family == Family::kIpv4 ? 4u : 16u);
  const std::array<std::uint8_t, 16> zero{};
  return LoadDestination(family)
      .Add(state::NftBitwise{.mask = NftBytes(bytes), .xor_ = NftBytes(std::span(zero.data(), bytes.size()))})
      .Add(NftCompare{.value = NftBytes::Of(prefix.First())})
      .Say({Ip(family), " daddr ", prefix.ToString()});
}

Words& Words::PortIn(std::string_view set_name) {
  return Add(NftMeta{.key = NftMeta::Key::kL4proto})
      .Add(NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = 2, .length_bytes = 2, .reg = kNextWord})
      .Lookup(set_name)
      .Say({"meta l4proto . th dport @", set_name});
}

Words& Words::Icmpv6OfTheLink() {
  // 130-143 and what may come: every informational type but echo request and reply (128, 129).
  const NftPayload type{.base = NftPayload::Base::kTransport, .offset_bytes = 0, .length_bytes = 1};
  return Add(NftMeta{.key = NftMeta::Key::kL4proto})
      .Add(NftCompare{.value = NftBytes::Byte(kIcmpv6)})
      .Add(type)
      .Add(state::NftBitwise{.mask = NftBytes::Byte(0x80), .xor_ = NftBytes::Byte(0)})
      .Add(NftCompare{.value = NftBytes::Byte(0x80)})
      .Add(type)
      .Add(state::NftBitwise{.mask = NftBytes::Byte(0xfe), .xor_ = NftBytes::Byte(0)})
      .Add(NftCompare{.value = NftBytes::Byte(0x80), .negate = true})
      .Say({"icmpv6 type >= 130"});
}

Words& Words::Icmpv6(std::uint8_t type) {
  return Need(Family::kIpv6)
      .Add(NftMeta{.key = NftMeta::Key::kL4proto})
      .Add(NftCompare{.value = NftBytes::Byte(kIcmpv6)})
      .Add(NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = 0, .length_bytes = 1})
      .Add(NftCompare{.value = NftBytes::Byte(type)})
      .Say({"icmpv6 type ", std::to_string(type)});
}

Words& Words::LoadNeighbourTarget() {
  return Add(NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = kTargetOffset, .length_bytes = 16});
}
Words& Words::NeighbourTargetIn(std::string_view set_name) {
  return LoadNeighbourTarget().Lookup(set_name).Say({"icmpv6 taddr @", set_name});
}
Words& Words::NeighbourTargetNotIn(std::string_view set_name) {
  return LoadNeighbourTarget().LookupMiss(set_name).Say({"icmpv6 taddr != @", set_name});
}

Words& Words::LoadArpSender() { return Add(NftPayload{.offset_bytes = kSenderOffset, .length_bytes = 4}); }
Words& Words::ArpSenderIn(std::string_view set_name) { return LoadArpSender().Lookup(set_name).Say({"arp saddr ip @", set_name}); }
Words& Words::ArpSenderNotIn(std::string_view set_name) {
  return LoadArpSender().LookupMiss(set_name).Say({"arp saddr ip != @", set_name});
}

Words& Words::ArpAsksFor(std::string_view set_name) {
  return Add(NftPayload{.offset_bytes = kOperationOffset, .length_bytes = 2})
      .Add(NftCompare{.value = NftBytes::Port(kArpRequest)})
      .Add(NftPayload{.offset_bytes = kTargetProtocolOffset, .length_bytes = 4})
      .Lookup(set_name)
      .Say({"arp operation request arp daddr ip @", set_name});
}
Words& Words::ArpSenderBecomesNobody() {
  return Add(state::NftImmediate{.value = NftBytes::Of(IpAddress())})
      .Add(NftPayload{.offset_bytes = kSenderOffset, .length_bytes = 4, .store = true})
      .Say({"arp saddr ip set 0.0.0.0"});
}

Words& Words::TcpSyn() {
  return Add(NftMeta{.key = NftMeta::Key::kL4proto})
      .Add(NftCompare{.value = NftBytes::Byte(kTcp)})
      .Add(NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = kTcpFlagsOffset, .length_bytes = 1})
      .Add(state::NftBitwise{.mask = NftBytes::Byte(0x02), .xor_ = NftBytes::Byte(0)})
      .Add(NftCompare{.value = NftBytes::Byte(0x02)})
      .Say({"tcp flags & syn == syn"});
}

Words& Words::SourceNotOfSender(Family family, std::string_view set_name) {
  constexpr std::uint32_t kSenderMacOffset = 6, kMacBytes = 6;
  return Need(family)
      .Add(NftPayload{.base = NftPayload::Base::kLink, .offset_bytes = kSenderMacOffset, .length_bytes = kMacBytes})
      .LoadSource(family, kThirdWord)
      .LookupMiss(set_name)
      .Say({"ether saddr . ", Ip(family), " saddr != @", set_name});
}

Words& Words::PacketMark(std::uint32_t mask, std::uint32_t value) {
  return Add(NftMeta{.key = NftMeta::Key::kMark})
      .Add(state::NftBitwise{.mask = NftBytes::Mark(mask), .xor_ = NftBytes::Mark(0)})
      .Add(NftCompare{.value = NftBytes::Mark(value)})
      .Say({"meta mark", Masked(mask), " == ", Hexadecimal(value)});
}

Words& Words::Count(std::string_view counter) {
  return Add(state::NftCount{.counter = std::string(counter)}).Say({"counter name ", counter});
}

Words& Words::Notrack() { return Add(state::NftNotrack{}).Say({"notrack"}); }

Words& Words::SetPacketMark(std::uint32_t value) {
  return Add(state::NftImmediate{.value = NftBytes::Mark(value)})
      .Add(NftMeta{.key = NftMeta::Key::kMark, .store = true})
      .Say({"meta mark set ", Hexadecimal(value)});
}

Words& Words::ClampMss(std::uint16_t mss_bytes) {
  return Add(state::NftClampMss{.mss_bytes = mss_bytes}).Say({"tcp option maxseg size set ", std::to_string(mss_bytes)});
}

state::NftRule Words::End(state::NftVerdict::Code code, std::string_view word) {
  Add(state::NftVerdict{.code = code}).Say({word});
  return Done();
}

state::NftRule Words::Goto(std::string_view chain) {
  Add(state::NftVerdict{.code = state::NftVerdict::Code::kGoto, .chain = std::string(chain)}).Say({"goto ", chain});
  return Done();
}

state::NftRule Words::SnatTo(const IpAddress& address) {
  Need(address.family());
  Add(state::NftImmediate{.value = NftBytes::Of(address)});
  Add(state::NftSnat{.family = address.family()});
  Say({"snat ", Ip(address.family()), " to ", address.ToString()});
  return Done();
}

state::NftRule Words::SnatToItself(Family family) {
  Need(family).LoadSource(family);
  Add(state::NftSnat{.family = family});
  Say({"snat ", Ip(family), " to ", Ip(family), " saddr"});
  return Done();
}

state::NftRule Words::Done() { return state::Seal(std::move(rule_)); }

}  // namespace egressd::plan
