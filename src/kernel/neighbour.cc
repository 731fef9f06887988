#include "kernel/neighbour.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace egressd::kernel {
namespace {

ndmsg Header(const IpAddress& address, std::uint32_t device_index) {
  ndmsg header{};
  header.ndm_family = address.family() == Family::kIpv4 ? AF_INET : AF_INET6;
  header.ndm_ifindex = static_cast<int>(device_index);
  return header;
}

}  // namespace

RouteMessage CreateNeighbour(const state::Neighbour& neighbour, std::uint32_t device_index) {
  ndmsg header = Header(neighbour.key.address, device_index);
  header.ndm_state = NUD_PERMANENT;
  RouteMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header);
  message.Address(NDA_DST, neighbour.key.address).Bytes(NDA_LLADDR, neighbour.mac.bytes);
  return message;
}

RouteMessage RemoveNeighbour(const state::Neighbour& neighbour, std::uint32_t device_index) {
  RouteMessage message(RTM_DELNEIGH, 0, Header(neighbour.key.address, device_index));
  message.Address(NDA_DST, neighbour.key.address);
  return message;
}

RouteMessage DumpNeighbours(std::uint32_t device_index) {
  RouteMessage message(RTM_GETNEIGH, 0, ndmsg{});
  message.Number(NDA_IFINDEX, device_index);
  return message;
}

std::optional<Seen<state::Neighbour>> DecodeNeighbour(const nlmsghdr& message, const Devices& devices) {
  const auto* const header = HeaderOf<ndmsg>(message);
  if (header == nullptr || (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)) return std::nullopt;
  const RouteAttributes attributes(message, sizeof *header);
  const auto address = attributes.Address(NDA_DST);
  const std::string device = devices.Name(static_cast<std::uint32_t>(header->ndm_ifindex));
  if (!address || device.empty() || (header->ndm_flags & NTF_PROXY) != 0) return std::nullopt;
  return Seen<state::Neighbour>{
      .object = {.key = {.device = device, .address = *address}, .mac = attributes.Mac(NDA_LLADDR).value_or(MacAddress{})},
      .ours = (header->ndm_state & NUD_PERMANENT) != 0};
}

}  // namespace egressd::kernel
