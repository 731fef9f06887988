// A gateway node of its own namespace with the plan of a real policy, and the far end of its uplink: who sends, who asks, who is answered.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <format>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "egressd/kernel/kernel.h"
#include "egressd/plan/plan.h"
#include "plan_wire.h"
#include "rtnl_outsider.h"
#include "support/sandbox.h"
#include "support/temporary_directory.h"

namespace egressd::test {

using plan::Hold;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Mac = std::array<std::uint8_t, 6>;

inline IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

inline constexpr const char* kOwn4 = "192.0.2.1";
inline constexpr const char* kOwn6 = "2001:db8:1::1";
inline constexpr const char* kFar4 = "192.0.2.254";
inline constexpr const char* kFar6 = "2001:db8:1::fe";
inline constexpr const char* kFarMacText = "02:00:00:00:00:fe";
inline constexpr Mac kFarMac{2, 0, 0, 0, 0, 0xfe};
inline constexpr const char* kAlways = "172.31.0.1";  // selected by `direct`: its packets come through whatever happens
inline constexpr Duration kAmple = std::chrono::seconds(100);
inline constexpr Duration kTick = milliseconds(20);  // more than one of any kernel

inline void Append(Octets& to, std::span<const std::uint8_t> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

inline Octets Ethernet(const Mac& to, std::uint16_t type, std::span<const std::uint8_t> payload) {
  Octets frame;
  Append(frame, to);
  Append(frame, kFarMac);
  Append16(frame, type);
  Append(frame, payload);
  return frame;
}

inline Octets ArpRequest(const Mac& to, const IpAddress& target) {
  Octets packet{0, 1, 8, 0, 6, 4, 0, 1};
  Append(packet, kFarMac);
  Append(packet, Ip(kFar4).bytes());
  Append(packet, Mac{});
  Append(packet, target.bytes());
  return Ethernet(to, ETH_P_ARP, packet);
}

inline void PutChecksum(Octets& message, std::size_t offset, const Octets& pseudo_header) {
  Octets all = pseudo_header;
  Append(all, message);
  const std::uint32_t sum = InternetChecksum(all);
  message[offset] = static_cast<std::uint8_t>(sum >> 8);
  message[offset + 1] = static_cast<std::uint8_t>(sum);
}

// To the group of everybody whose address ends like this one, as the first question always is.
inline Octets Solicitation(const IpAddress& target) {
  const auto end = target.bytes().last(3);
  Octets group{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  Append(group, end);
  Mac mac{0x33, 0x33, 0xff};
  std::ranges::copy(end, mac.begin() + 3);
  Octets message{135, 0, 0, 0, 0, 0, 0, 0};
  Append(message, target.bytes());
  Append(message, Octets{1, 1});
  Append(message, kFarMac);
  Octets pseudo;
  Append(pseudo, Ip(kFar6).bytes());
  Append(pseudo, group);
  Append(pseudo, Octets{0, 0, 0, 32, 0, 0, 0, 58});
  PutChecksum(message, 2, pseudo);
  Octets packet{0x60, 0, 0, 0, 0, 32, 58, 255};
  Append(packet, Ip(kFar6).bytes());
  Append(packet, group);
  Append(packet, message);
  return Ethernet(mac, ETH_P_IPV6, packet);
}

inline Octets EchoRequest(const Mac& to, const IpAddress& target) {
  Octets message{8, 0, 0, 0, 0, 1, 0, 1};
  PutChecksum(message, 2, {});
  Octets packet{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0};
  Append(packet, Ip(kFar4).bytes());
  Append(packet, target.bytes());
  PutChecksum(packet, 10, {});
  Append(packet, message);
  return Ethernet(to, ETH_P_IP, packet);
}

inline bool Carries(const Octets& frame, std::size_t offset, std::span<const std::uint8_t> bytes) {
  if (frame.size() < offset + bytes.size()) return false;
  return std::equal(bytes.begin(), bytes.end(), frame.begin() + static_cast<std::ptrdiff_t>(offset));
}
inline bool IsArp(const Octets& frame, std::uint8_t operation, const IpAddress& sender) {
  return Carries(frame, 12, Octets{8, 6, 0, 1, 8, 0, 6, 4, 0, operation}) && Carries(frame, 28, sender.bytes());
}
inline bool IsAdvertisement(const Octets& frame, const IpAddress& target) {
  return Carries(frame, 12, Octets{0x86, 0xdd}) && Carries(frame, 20, Octets{58}) && Carries(frame, 54, Octets{136}) &&
         Carries(frame, 62, target.bytes());
}
inline bool IsEchoReply(const Octets& frame, const IpAddress& source) {
  return Carries(frame, 12, Octets{8, 0, 0x45}) && Carries(frame, 23, Octets{1}) && Carries(frame, 26, source.bytes()) &&
         Carries(frame, 34, Octets{0});
}

// The other end of the uplink: frames in and out, whoever they are for.
class FarEnd {
 public:
  FarEnd() : index_(static_cast<int>(::if_nametoindex("eth0peer"))) {
    fd_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index_;
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  }
  void Send(const Octets& frame) { REQUIRE(::send(fd_.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size())); }
  // Frames until one that `is_last` says.
  std::vector<Octets> Until(const std::function<bool(const Octets&)>& is_last) {
    constexpr int kWaitMilliseconds = 10'000;
    std::vector<Octets> frames;
    for (;;) {
      pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      REQUIRE(::poll(&waiting, 1, kWaitMilliseconds) == 1);
      Octets frame(2048);
      sockaddr_ll from{};
      socklen_t length = sizeof(from);
      const ssize_t size = ::recvfrom(fd_.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
      REQUIRE(size > 0);
      if (from.sll_pkttype == PACKET_OUTGOING) continue;
      frame.resize(static_cast<std::size_t>(size));
      if (is_last(frame)) return frames;
      frames.push_back(std::move(frame));
    }
  }

 private:
  int index_;
  Fd fd_;
};

// A gateway node with workloads of its own behind br0 and an egress IP of each family.
class Gateway {
 public:
  Gateway() {
    WriteSysctl("net/ipv6/conf/default/accept_dad", "0");
    REQUIRE(outsider_.MakeVeth("br0", "br0peer") == 0);
    REQUIRE(outsider_.MakeVeth("eth0", "eth0peer") == 0);
    for (const char* end : {"br0", "br0peer"}) SwitchNeighboursOff(end);
    for (const char* end : {"eth0", "eth0peer"}) REQUIRE(outsider_.SetUp(end) == 0);
    for (const char* device : {"all", "br0", "eth0"}) WriteSysctl(std::format("net/ipv4/conf/{}/rp_filter", device), "0");
    WriteSysctl("net/ipv4/conf/br0/forwarding", "1");
    WriteSysctl("net/ipv6/conf/eth0peer/disable_ipv6", "1");
    REQUIRE(outsider_.AddAddress("eth0", std::string(kOwn4) + "/24") == 0);
    REQUIRE(outsider_.AddAddress("eth0", std::string(kOwn6) + "/64") == 0);
    for (const char* far : {kFar4, kFar6}) REQUIRE(outsider_.AddNeighbour("eth0", far, kFarMacText) == 0);
    REQUIRE(outsider_.AddRoute(254, "0.0.0.0/0", "eth0", kFar4) == 0);
    REQUIRE(outsider_.AddRoute(254, "::/0", "eth0", kFar6) == 0);
    REQUIRE(outsider_.ComesToRest());
    kernel_.emplace(kernel::Kernel::Open({.state_directory = directory_.path()}).value());
    inside_.emplace("br0peer");
    outside_.emplace();
    inside_mac_ = MacOf("br0");
    uplink_mac_ = MacOf("eth0");
    MakePolicy();
  }

  kernel::Kernel& kernel() { return *kernel_; }
  const IpAddress& egress(Family family) const { return egress_.at(family); }

  // The desired state with this standing of both egress IPs.
  state::State As(Hold::Standing standing, std::optional<Duration> lease) {
    const state::Host host = kernel_->ReadHost().value();
    plan::Inputs inputs{.config = &config_, .selection = &*selection_, .bindings = &bindings_, .host = &host, .underlay = Ip(kOwn4)};
    inputs.self = plan::IdentityOf(1, config_.tunnel);
    for (const policy::Binding& binding : bindings_) inputs.carriers[binding.id] = {.kind = plan::Carrier::Kind::kSelf, .peer = ""};
    for (const auto& [family, address] : egress_) inputs.holds[address] = {.standing = standing, .lease = lease};
    return plan::Build(inputs);
  }
  void Reach(const state::State& desired) {
    REQUIRE(kernel_->Wake(kAmple));
    const auto done = kernel_->Reconcile(desired);
    REQUIRE_MESSAGE(done.has_value(), (done ? std::string() : done.error().message));
    if (!desired.egress_addresses.empty()) WaitForGroup(egress(Family::kIpv6));
  }

  // What works now, of "out4 out6 arp nd echo": packets of one and the same connection leave with the egress IP, questions are answered.
  std::string Works() {
    std::string works;
    if (SourceOutside("10.0.0.9", "198.51.100.1") == egress(Family::kIpv4).ToString()) works += "out4 ";
    if (SourceOutside("2001:db8:a::9", "2001:db8:7::1") == egress(Family::kIpv6).ToString()) works += "out6 ";
    const auto answers = [&](const auto& question, const auto& is_answer, const IpAddress& address, const char* own) {
      outside_->Send(question(address));
      outside_->Send(question(Ip(own)));  // always answered
      const auto before = outside_->Until([&](const Octets& frame) { return is_answer(frame, Ip(own)); });
      return std::ranges::any_of(before, [&](const Octets& frame) { return is_answer(frame, address); });
    };
    const auto is_arp_reply = [](const Octets& frame, const IpAddress& sender) { return IsArp(frame, 2, sender); };
    const auto arp = [&](const IpAddress& target) { return ArpRequest(uplink_mac_, target); };
    const auto echo = [&](const IpAddress& target) { return EchoRequest(uplink_mac_, target); };
    if (answers(arp, is_arp_reply, egress(Family::kIpv4), kOwn4)) works += "arp ";
    if (answers(Solicitation, IsAdvertisement, egress(Family::kIpv6), kOwn6)) works += "nd ";
    if (answers(echo, IsEchoReply, egress(Family::kIpv4), kOwn4)) works += "echo ";
    return works;
  }

  // The source that a packet has outside; "" = it does not come out.
  std::string SourceOutside(const std::string& source, const std::string& destination) {
    constexpr std::uint16_t kPort = 5000;
    const policy::Flow flow{.source = Ip(source), .destination = Ip(destination), .protocol = IPPROTO_UDP, .port = 53};
    inside_->Send(PacketOf(flow, kPort), inside_mac_);
    const std::uint16_t fence_port = ++fence_port_;
    const policy::Flow fence{.source = Ip(kAlways), .destination = Ip("198.51.100.9"), .protocol = IPPROTO_UDP, .port = 9};
    inside_->Send(PacketOf(fence, fence_port), inside_mac_);
    std::string seen;
    const auto frames = outside_->Until([&](const Octets& frame) {
      const auto packet = PacketIn(frame);
      return packet && packet->destination == fence.destination && packet->source_port == fence_port;
    });
    for (const Octets& frame : frames) {
      const auto packet = PacketIn(frame);
      if (packet && packet->destination == flow.destination && packet->source_port == kPort) seen = packet->source.ToString();
    }
    return seen;
  }

  // A packet to somebody on the uplink's own network whom nobody has asked for yet: in whose name the host asks, as ARP has it.
  std::string WhoAsksFor(const std::string& destination) {
    const policy::Flow flow{.source = Ip("10.0.0.9"), .destination = Ip(destination), .protocol = IPPROTO_UDP, .port = 53};
    inside_->Send(PacketOf(flow, 5001), inside_mac_);
    std::string sender;
    outside_->Until([&](const Octets& frame) {
      if (!Carries(frame, 12, Octets{8, 6}) || !Carries(frame, 38, Ip(destination).bytes())) return false;
      sender = IpAddress::FromBytes(std::span(frame).subspan(28, 4)).ToString();
      return true;
    });
    return sender;
  }

 private:
  // The kernel joins the group of a new IPv6 address a moment later (addrconf_dad_begin); before that it does not hear who asks for it.
  static void WaitForGroup(const IpAddress& address) {
    const std::string group = "ff0200000000000000000001ff" + state::NftBytes(address.bytes().last(3)).ToString();
    const auto deadline = Clock::now() + std::chrono::seconds(10);
    for (bool joined = false; !joined; std::this_thread::sleep_for(milliseconds(1))) {
      std::ifstream file("/proc/thread-self/net/igmp6");
      joined = std::string(std::istreambuf_iterator<char>(file), {}).contains(group);
      REQUIRE((joined || Clock::now() < deadline));
    }
  }

  static std::optional<Seen> PacketIn(const Octets& frame) {
    if (!Carries(frame, 12, Octets{8, 0}) && !Carries(frame, 12, Octets{0x86, 0xdd})) return std::nullopt;
    return Read(Octets(frame.begin() + 14, frame.end()));
  }

  void MakePolicy() {
    config_.node.name = "n1";
    set_.pools["pool"] = {.name = "pool",
                          .ipv4 = {AddressRange::Parse("192.0.2.100-192.0.2.101").value()},
                          .ipv6 = {AddressRange::Parse("2001:db8:1::100-2001:db8:1::101").value()}};
    set_.gateways["g"] = {.name = "g", .is_default = true, .nodes = {.names = {"n1"}}, .pools = {"pool"}};
    const std::vector<Prefix> sources{Prefix::Containing(Ip("10.0.0.0"), 24), Prefix::Containing(Ip("2001:db8:a::"), 64)};
    set_.policies["p"] = {.name = "p", .priority = 2, .from = {{.cidrs = sources}}};
    set_.policies["always"] = {.name = "always", .priority = 1, .from = {{.cidrs = {Prefix::Of(Ip(kAlways))}}}, .to = policy::Reach::kAny,
                               .action = policy::Action::kDirect};
    bindings_ = policy::Bind(set_, {}).value().bindings;
    for (const policy::Binding& binding : bindings_) egress_.emplace(binding.family, *binding.egress_ip);
    selection_.emplace(set_, "n1");
  }

  OneProcessor one_;
  Sandbox sandbox_;
  TemporaryDirectory directory_;
  Outsider outsider_;
  std::optional<kernel::Kernel> kernel_;
  std::optional<Tap> inside_;
  std::optional<FarEnd> outside_;
  policy::NodeConfig config_;
  policy::PolicySet set_;
  std::vector<policy::Binding> bindings_;
  std::map<Family, IpAddress> egress_;
  std::optional<policy::Selection> selection_;
  Mac inside_mac_{}, uplink_mac_{};
  std::uint16_t fence_port_ = 20'000;
};

}  // namespace egressd::test
