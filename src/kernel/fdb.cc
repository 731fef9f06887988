#include "kernel/fdb.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace egressd::kernel {
namespace {

ndmsg Header(std::uint32_t device_index) {
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = static_cast<int>(device_index);
  header.ndm_flags = NTF_SELF;
  return header;
}

}  // namespace

RouteMessage CreateFdbEntry(const state::FdbEntry& entry, std::uint32_t device_index) {
  ndmsg header = Header(device_index);
  header.ndm_state = NUD_PERMANENT | NUD_NOARP;
  RouteMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header);
  message.Bytes(NDA_LLADDR, entry.key.mac.bytes).Address(NDA_DST, entry.destination);
  return message;
}

RouteMessage RemoveFdbEntry(const state::FdbEntry& entry, std::uint32_t device_index) {
  RouteMessage message(RTM_DELNEIGH, 0, Header(device_index));
  message.Bytes(NDA_LLADDR, entry.key.mac.bytes);
  return message;
}

RouteMessage DumpFdb(std::uint32_t device_index) {
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = static_cast<int>(device_index);
  return RouteMessage(RTM_GETNEIGH, 0, header);
}

std::optional<Seen<state::FdbEntry>> DecodeFdbEntry(const nlmsghdr& message, const Devices& devices) {
  const auto* const header = HeaderOf<ndmsg>(message);
  if (header == nullptr || header->ndm_family != AF_BRIDGE || (header->ndm_flags & NTF_SELF) == 0) return std::nullopt;
  const RouteAttributes attributes(message, sizeof *header);
  const auto mac = attributes.Mac(NDA_LLADDR);
  const std::string device = devices.Name(static_cast<std::uint32_t>(header->ndm_ifindex));
  if (!mac || device.empty()) return std::nullopt;
  return Seen<state::FdbEntry>{
      .object = {.key = {.device = device, .mac = *mac}, .destination = attributes.Address(NDA_DST).value_or(IpAddress{})},
      .ours = (header->ndm_state & NUD_PERMANENT) != 0};
}

}  // namespace egressd::kernel
