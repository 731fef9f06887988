#include "egressd/kernel/uplink_watch.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "egressd/base/fd.h"
#include "kernel/uplink_filter.h"
#include "kernel/uplink_frame.h"

namespace egressd::kernel {
namespace {

constexpr int kFramesAtOnce = 64;  // of one socket
constexpr int kSocketsAtOnce = 16;

// A socket for one protocol of one device.
struct Ear {
  Fd fd;
  std::uint16_t protocol = 0;
  std::string device;
  std::uint64_t edition = 0;  // of the addresses that its filter lets through; 0 = none
};

Result<int> IndexOf(const std::string& device) {
  const unsigned index = ::if_nametoindex(device.c_str());
  if (index == 0) return std::unexpected(SystemError("device " + device, errno));
  return static_cast<int>(index);
}

Result<void> Attach(const Ear& ear, FilterProgram program) {
  const sock_fprog argument{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  if (::setsockopt(ear.fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &argument, sizeof argument) == 0) return {};
  return std::unexpected(SystemError("filter", errno));
}

// Index of its device; 0 = not bound yet, -1 = the device is gone, even if another one has got its index.
int BoundTo(const Ear& ear) {
  sockaddr_ll address{};
  socklen_t size = sizeof address;
  return ::getsockname(ear.fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address.sll_ifindex : 0;
}

Result<void> Bind(const Ear& ear, int index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ear.protocol);
  address.sll_ifindex = index;
  if (::bind(ear.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(SystemError("bind", errno));
  }
  return {};
}

}  // namespace

struct UplinkWatch::Body {
  Fd epoll;
  std::vector<Ear> ears;      // never fewer; epoll knows them by their place
  Wanted wanted;
  std::uint64_t edition = 1;  // of wanted.addresses

  Result<Ear*> OpenEar(std::uint16_t protocol);
  // The socket for this device, opened, or taken over from a device that is gone.
  Result<Ear*> EarFor(const std::string& device, std::uint16_t protocol);
  Result<void> Listen(const std::string& device, std::uint16_t protocol);
  void Hear(const Ear& ear, std::set<Heard>& heard) const;
};

UplinkWatch::UplinkWatch(std::unique_ptr<Body> body) : body_(std::move(body)) {}
UplinkWatch::UplinkWatch(UplinkWatch&&) noexcept = default;
UplinkWatch& UplinkWatch::operator=(UplinkWatch&&) noexcept = default;
UplinkWatch::~UplinkWatch() = default;

Result<UplinkWatch> UplinkWatch::Open() {
  auto body = std::make_unique<Body>();
  body->epoll = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!body->epoll.is_open()) return std::unexpected(SystemError("epoll", errno));
  return UplinkWatch(std::move(body));
}

int UplinkWatch::fd() const { return body_->epoll.get(); }

Result<Ear*> UplinkWatch::Body::OpenEar(std::uint16_t protocol) {
  // Protocol 0: nothing arrives before the socket is bound, and then only what its filter lets through.
  Ear ear{.fd = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), .protocol = protocol};
  if (!ear.fd.is_open()) return std::unexpected(SystemError("open packet socket", errno));
  epoll_event event{.events = EPOLLIN, .data = {.u64 = ears.size()}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, ear.fd.get(), &event) != 0) return std::unexpected(SystemError("epoll", errno));
  ears.push_back(std::move(ear));
  return &ears.back();
}

Result<Ear*> UplinkWatch::Body::EarFor(const std::string& device, std::uint16_t protocol) {
  const auto index = IndexOf(device);
  if (!index) return std::unexpected(index.error());
  Ear* idle = nullptr;
  for (Ear& ear : ears) {
    if (ear.protocol != protocol) continue;
    const int bound = BoundTo(ear);
    if (bound == *index) return &ear;
    if (bound <= 0) idle = &ear;
  }
  Result<Ear*> ear = idle != nullptr ? idle : OpenEar(protocol);
  if (!ear) return ear;
  if (auto closed = Attach(**ear, ClosedFilter()); !closed) return std::unexpected(std::move(closed.error()));
  (*ear)->edition = 0;
  if (auto bound = Bind(**ear, *index); !bound) return std::unexpected(std::move(bound.error()));
  return ear;
}

Result<void> UplinkWatch::Body::Listen(const std::string& device, std::uint16_t protocol) {
  auto ear = EarFor(device, protocol);
  if (!ear) return std::unexpected(std::move(ear.error()));
  (*ear)->device = device;
  if ((*ear)->edition == edition) return {};
  auto attached = Attach(**ear, protocol == ETH_P_ARP ? ArpFilter(wanted.addresses) : NeighbourFilter(wanted.addresses));
  if (attached) (*ear)->edition = edition;
  return attached;
}

Result<void> UplinkWatch::Watch(const Wanted& wanted) {
  Body& body = *body_;
  if (wanted.addresses != body.wanted.addresses) ++body.edition;
  body.wanted = wanted;
  Result<void> first;
  const auto keep = [&](Result<void> done, const std::string& device) {
    if (!done && first) first = std::unexpected(std::move(done.error()).In("watch " + device));
  };
  // No IPv6 egress IPs, no socket in the way of every IPv6 packet.
  const auto uses = [&](Family family) { return std::ranges::contains(wanted.addresses, family, &IpAddress::family); };
  const bool arp = uses(Family::kIpv4), neighbours = uses(Family::kIpv6);
  for (const std::string& device : wanted.devices) {
    if (arp) keep(body.Listen(device, ETH_P_ARP), device);
    if (neighbours) keep(body.Listen(device, ETH_P_IPV6), device);
  }
  for (Ear& ear : body.ears) {
    const bool listens = wanted.devices.contains(ear.device) && (ear.protocol == ETH_P_ARP ? arp : neighbours);
    if (listens || ear.edition == 0) continue;
    keep(Attach(ear, ClosedFilter()), ear.device);
    ear.edition = 0;
  }
  return first;
}

void UplinkWatch::Body::Hear(const Ear& ear, std::set<Heard>& heard) const {
  std::array<std::uint8_t, kFrameBytes> buffer;
  for (int i = 0; i < kFramesAtOnce; ++i) {
    const ssize_t size = ::recv(ear.fd.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size < 0) continue;  // the device went down, which is told once; it is heard again when it is up
    const std::span frame(buffer.data(), static_cast<std::size_t>(size));
    const auto claim = ear.protocol == ETH_P_ARP ? DecodeArp(frame) : DecodeNeighbourDiscovery(frame);
    // What the filter let through before it was changed is still in the queue.
    if (!claim || ear.edition == 0 || !wanted.addresses.contains(claim->address)) continue;
    if (wanted.own.contains(claim->mac) || wanted.own.contains(claim->from)) continue;
    heard.insert({.address = claim->address, .device = ear.device, .mac = claim->mac, .probe = claim->probe});
  }
}

std::vector<Heard> UplinkWatch::Take() {
  std::set<Heard> heard;
  std::array<epoll_event, kSocketsAtOnce> events;
  const int ready = ::epoll_wait(body_->epoll.get(), events.data(), kSocketsAtOnce, 0);
  for (int i = 0; i < ready; ++i) body_->Hear(body_->ears[events[static_cast<std::size_t>(i)].data.u64], heard);
  return {heard.begin(), heard.end()};
}

}  // namespace egressd::kernel
