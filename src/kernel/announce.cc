#include "egressd/kernel/announce.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <format>
#include <optional>
#include <string_view>

#include "kernel/announcement.h"

namespace egressd::kernel {
namespace {

constexpr int kSendBufferBytes = 4 << 20;  // thousands of frames wait for a slow card without being refused

struct Device {
  int fd = -1;  // the socket
  int index = 0;
  MacAddress mac;
};

// nullopt: the device has no neighbours that could be told (point-to-point, loopback).
Result<std::optional<Device>> Find(int fd, const std::string& name) {
  Device device{.fd = fd};
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) return Fail(ErrorKind::kInvalid, "no device can be called " + name);
  std::ranges::copy(name, request.ifr_name);
  if (::ioctl(fd, SIOCGIFINDEX, &request) != 0) return std::unexpected(SystemError("device " + name, errno));
  device.index = request.ifr_ifindex;
  if (::ioctl(fd, SIOCGIFFLAGS, &request) != 0) return std::unexpected(SystemError("device " + name, errno));
  if ((request.ifr_flags & IFF_UP) == 0) return std::unexpected(SystemError("device " + name, ENETDOWN));
  if (::ioctl(fd, SIOCGIFHWADDR, &request) != 0) return std::unexpected(SystemError("device " + name, errno));
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) return std::optional<Device>();
  std::memcpy(device.mac.bytes.data(), request.ifr_hwaddr.sa_data, device.mac.bytes.size());
  return std::optional(device);
}

Result<void> Send(const Device& device, std::uint16_t protocol, const MacAddress& to, std::span<const std::uint8_t> packet) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = device.index;
  address.sll_halen = ETH_ALEN;
  std::ranges::copy(to.bytes, address.sll_addr);
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  if (::sendto(device.fd, packet.data(), packet.size(), MSG_DONTWAIT, name, sizeof address) < 0) {
    return std::unexpected(SystemError("send", errno));
  }
  return {};
}

constexpr MacAddress kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

Result<void> AnnounceOne(const Device& from, const IpAddress& address) {
  if (address.family() == Family::kIpv6) {
    constexpr MacAddress kAllNodes{{0x33, 0x33, 0, 0, 0, 1}};
    return Send(from, ETH_P_IPV6, kAllNodes, NeighbourAdvertisement(address, from.mac));
  }
  auto sent = Send(from, ETH_P_ARP, kBroadcast, ArpAnnouncement(address, from.mac, ArpForm::kRequest));
  if (sent) sent = Send(from, ETH_P_ARP, kBroadcast, ArpAnnouncement(address, from.mac, ArpForm::kReply));
  return sent;
}

Result<void> ProbeOne(const Device& from, const IpAddress& address) {
  if (address.family() == Family::kIpv6) return Send(from, ETH_P_IPV6, SolicitedNodeMac(address), NeighbourProbe(address));
  return Send(from, ETH_P_ARP, kBroadcast, ArpProbe(address, from.mac));
}

Result<void> ForEach(int fd, std::span<const IpAddress> addresses, const std::string& device, std::string_view verb,
                     Result<void> (*send)(const Device&, const IpAddress&)) {
  if (addresses.empty()) return {};
  const auto in = [&](const IpAddress& address) { return std::format("{} {} on {}", verb, address.ToString(), device); };
  auto found = Find(fd, device);
  if (!found) return std::unexpected(std::move(found.error()).In(in(addresses.front())));
  if (!*found) return {};
  Result<void> first;
  for (const IpAddress& address : addresses) {
    if (auto sent = send(**found, address); !sent && first) first = std::unexpected(std::move(sent.error()).In(in(address)));
  }
  return first;
}

}  // namespace

Result<AnnounceSocket> AnnounceSocket::Open() {
  // Protocol 0: nothing is received.
  AnnounceSocket socket(Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  if (!socket.fd_.is_open()) return std::unexpected(SystemError("open packet socket", errno));
  const int priority = TC_PRIO_CONTROL;
  if (::setsockopt(socket.fd_.get(), SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority) != 0) {
    return std::unexpected(SystemError("priority of packet socket", errno));
  }
  if (::setsockopt(socket.fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes) != 0) {
    return std::unexpected(SystemError("send buffer of packet socket", errno));
  }
  return socket;
}

Result<void> AnnounceSocket::Announce(std::span<const IpAddress> addresses, const std::string& device) const {
  return ForEach(fd_.get(), addresses, device, "announce", AnnounceOne);
}

Result<void> AnnounceSocket::Probe(std::span<const IpAddress> addresses, const std::string& device) const {
  return ForEach(fd_.get(), addresses, device, "probe", ProbeOne);
}

}  // namespace egressd::kernel
