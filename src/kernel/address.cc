#include "kernel/address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace egressd::kernel {
namespace {

constexpr std::uint32_t kForever = 0xffffffff;

RouteMessage Begin(int type, int flags, const Prefix& prefix, std::uint32_t device_index) {
  ifaddrmsg header{};
  header.ifa_family = prefix.family() == Family::kIpv4 ? AF_INET : AF_INET6;
  header.ifa_prefixlen = prefix.length;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  header.ifa_index = device_index;
  RouteMessage message(type, flags, header);
  message.Address(IFA_LOCAL, prefix.address).Address(IFA_ADDRESS, prefix.address);
  return message;
}

std::optional<Duration> LeftOf(const RouteAttributes& attributes) {
  const auto bytes = attributes.Bytes(IFA_CACHEINFO);
  ifa_cacheinfo lifetimes{};
  if (bytes.size() < sizeof lifetimes) return std::nullopt;
  std::memcpy(&lifetimes, bytes.data(), sizeof lifetimes);
  if (lifetimes.ifa_valid == kForever) return std::nullopt;
  return std::chrono::seconds(lifetimes.ifa_valid);
}

RouteMessage Write(const state::EgressAddress& address, std::uint32_t device_index, int flags) {
  const Prefix prefix = Prefix::Of(address.key.address);
  const bool ipv6 = prefix.family() == Family::kIpv6;
  RouteMessage message = Begin(RTM_NEWADDR, flags, prefix, device_index);
  message.Byte(IFA_PROTO, state::kProtocol);
  const std::uint32_t valid_s =
      address.lifetime ? static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(*address.lifetime).count()) : kForever;
  // IPv6: deprecated from the start, so that the host's own traffic never picks it. IPv4 knows no such thing.
  const ifa_cacheinfo lifetimes{.ifa_prefered = ipv6 ? 0 : valid_s, .ifa_valid = valid_s};
  std::array<std::uint8_t, sizeof lifetimes> bytes{};
  std::memcpy(bytes.data(), &lifetimes, bytes.size());
  message.Bytes(IFA_CACHEINFO, bytes);
  if (ipv6) message.Number(IFA_FLAGS, address.prefix_route ? IFA_F_NODAD : IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
  return message;
}

}  // namespace

RouteMessage CreateAddress(const state::Address& address, std::uint32_t device_index) {
  const Prefix& prefix = address.key.prefix;
  RouteMessage message = Begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, prefix, device_index);
  message.Byte(IFA_PROTO, state::kProtocol);
  if (prefix.family() == Family::kIpv6) message.Number(IFA_FLAGS, IFA_F_NODAD);
  return message;
}

RouteMessage RemoveAddress(const state::Address& address, std::uint32_t device_index) {
  return Begin(RTM_DELADDR, 0, address.key.prefix, device_index);
}

RouteMessage CreateEgressAddress(const state::EgressAddress& address, std::uint32_t device_index) {
  return Write(address, device_index, NLM_F_CREATE | NLM_F_EXCL);
}

RouteMessage ReplaceEgressAddress(const state::EgressAddress& address, std::uint32_t device_index) {
  return Write(address, device_index, NLM_F_CREATE | NLM_F_REPLACE);
}

RouteMessage RemoveEgressAddress(const state::EgressAddress& address, std::uint32_t device_index) {
  return Begin(RTM_DELADDR, 0, Prefix::Of(address.key.address), device_index);
}

RouteMessage DumpAddresses() { return RouteMessage(RTM_GETADDR, 0, ifaddrmsg{}); }

std::optional<FoundAddress> DecodeAddress(const nlmsghdr& message) {
  const auto* const header = HeaderOf<ifaddrmsg>(message);
  if (header == nullptr || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)) return std::nullopt;
  const RouteAttributes attributes(message, sizeof *header);
  // With a peer address, IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 without a peer has no IFA_LOCAL.
  auto address = attributes.Address(IFA_LOCAL);
  if (!address) address = attributes.Address(IFA_ADDRESS);
  if (!address) return std::nullopt;
  const std::uint32_t flags = attributes.Number(IFA_FLAGS).value_or(header->ifa_flags);
  const std::uint32_t fleeting = header->ifa_family == AF_INET6 ? IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_DADFAILED : 0;
  return FoundAddress{.device_index = header->ifa_index,
                      .prefix = {.address = *address, .length = header->ifa_prefixlen},
                      .has_our_protocol = attributes.Byte(IFA_PROTO) == state::kProtocol,
                      .lasting = (flags & fleeting) == 0,
                      .has_prefix_route = header->ifa_family == AF_INET6 && (flags & IFA_F_NOPREFIXROUTE) == 0,
                      .left = LeftOf(attributes)};
}

bool IsEgressAddress(const FoundAddress& found, const std::string& device, const AddressMemory& memory) {
  return found.has_our_protocol || memory.Knows(device, found.prefix);
}

state::EgressAddress AsEgressAddress(const FoundAddress& found, const std::string& device, const AddressLifetimes& lifetimes) {
  state::EgressAddress address{.key = {.device = device, .address = found.prefix.address}, .lifetime = {},
                               .prefix_route = found.has_prefix_route};
  if (found.left) address.lifetime = lifetimes.Of(address.key, *found.left);
  return address;
}

}  // namespace egressd::kernel
