// A gateway, or a source node, in a namespace of its own, with everybody on `lo`: who sends from a tunnel address (or a workload's) is
// marked and translated by the same kind of rules that egressd makes.
#pragma once

#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "egressd/kernel/translations.h"
#include "kernel/conntrack_message.h"
#include "kernel/nft_fixture.h"
#include "kernel/nft_packets.h"
#include "rtnl_outsider.h"

namespace egressd::kernel::test {

inline constexpr MarkMatch kDecided{.value = 0x00e60000, .mask = 0xffff0000};

// Who is who on a gateway, once a family. Sources a and b come out of the tunnel, `outsider` is the server.
struct Cast {
  Family family;
  const char *a, *b, *outsider, *egress, *network;
};
inline constexpr Cast kCasts[] = {
    {Family::kIpv4, "127.1.0.2", "127.1.0.3", "127.0.0.1", "127.0.0.77", "127.1.0.0/16"},
    {Family::kIpv6, "fd65::2", "fd65::3", "2001:db8::1", "2001:db8:1::77", "fd65::/64"},
};
inline std::vector<Prefix> TunnelNetworks() { return {Prefix::Parse(kCasts[0].network).value(), Prefix::Parse(kCasts[1].network).value()}; }
inline IpAddress Address(const char* text) { return IpAddress::Parse(text).value(); }

// Marks what comes from `sources`, translates it to the address of its id, and drops segments for such an address that have no
// connection.
inline State Rules(const std::map<IpAddress, std::uint32_t>& sources, const std::map<std::uint16_t, std::vector<IpAddress>>& egress) {
  using Type = NftSet::Type;
  auto state = WithTable();
  Put(state.counters, NftCounter{.key = Name("unexpected")});
  const NftBytes low = NftBytes::Mark(0xffff), zero = NftBytes::Mark(0);
  std::vector<NftRule> output, nat;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const bool ipv4 = family == Family::kIpv4;
    const Type address = ipv4 ? Type::kIpv4 : Type::kIpv6;
    const char *src = ipv4 ? "src4" : "src6", *snat = ipv4 ? "snat4" : "snat6", *own = ipv4 ? "own4" : "own6";
    AddSet(state, src, address, Type::kMark);
    AddSet(state, snat, Type::kMark, address);
    AddSet(state, own, address);
    for (const auto& [source, mark] : sources) {
      if (source.family() == family) AddElement(state, src, NftBytes::Of(source), NftBytes::Mark(mark));
    }
    for (const auto& [id, addresses] : egress) {
      for (const IpAddress& egress_ip : addresses) {
        if (egress_ip.family() != family) continue;
        AddElement(state, snat, NftBytes::Mark(id), NftBytes::Of(egress_ip));
        AddElement(state, own, NftBytes::Of(egress_ip));
      }
    }
    const std::uint32_t width = ipv4 ? 4 : 16, source_at = ipv4 ? 12 : 8;
    const auto of_family = [&](std::vector<NftExpression> rest) {
      std::vector<NftExpression> all{NftMeta{.key = NftMeta::Key::kNfproto}, NftCompare{.value = NftBytes::Byte(ipv4 ? 2 : 10)}};
      all.insert(all.end(), rest.begin(), rest.end());
      return all;
    };
    output.push_back(Rule("unexpected", of_family({NftPayload{.offset_bytes = source_at + width, .length_bytes = width},
                                                   NftLookup{.set = own}, NftCt{.key = NftCt::Key::kState},
                                                   NftBitwise{.mask = NftBytes::Mark(kCtStateNew | kCtStateInvalid), .xor_ = zero},
                                                   NftCompare{.value = zero, .negate = true}, NftCount{.counter = "unexpected"},
                                                   NftVerdict{.code = NftVerdict::Code::kDrop}})));
    output.push_back(Rule("mark", of_family({NftPayload{.offset_bytes = source_at, .length_bytes = width},
                                             NftLookup{.set = src, .result = NftLookup::Result::kValue},
                                             NftCt{.key = NftCt::Key::kMark, .store = true}})));
    nat.push_back(Rule("snat", of_family({NftCt{.key = NftCt::Key::kMark}, NftBitwise{.mask = low, .xor_ = zero},
                                          NftLookup{.set = snat, .result = NftLookup::Result::kValue}, NftSnat{.family = family}})));
  }
  AddBaseChain(state, "output", {.point = NftHook::Point::kOutput, .priority = -150}, std::move(output));
  AddBaseChain(state, "nat", {.type = NftHook::Type::kNat, .point = NftHook::Point::kPostrouting, .priority = 90}, std::move(nat));
  return state;
}

// Far more than a retransmission, or the kernel's own workers, take.
inline constexpr int kPatienceMilliseconds = 10'000;

// Whether a socket of that address reaches itself.
inline bool Reaches(const char* address) {
  const Fd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketAddress own(address, 0), to(address, 9);
  return ::bind(fd.get(), own.get(), own.length) == 0 && ::connect(fd.get(), to.get(), to.length) == 0;
}

inline void AddAddresses(const std::vector<const char*>& addresses) {
  egressd::test::Outsider outsider;
  for (const char* address : addresses) REQUIRE(outsider.AddAddress("lo", std::string(address) + "/128") == 0);
  // A worker of the kernel makes an IPv6 address ready, and then its route.
  for (const char* address : addresses) {
    int waited = 0;
    for (; !Reaches(address) && waited < kPatienceMilliseconds; ++waited) ::usleep(1000);
    REQUIRE(waited < kPatienceMilliseconds);
  }
}

// Enters a fresh namespace that is a gateway; egress id 7 belongs to its egress IPs.
class GatewayHost {
 public:
  GatewayHost() : nft_((EnterFreshNamespace(), OpenNft())) {
    const Cast& six = kCasts[1];
    AddAddresses({six.a, six.b, six.outsider, six.egress});
    std::map<IpAddress, std::uint32_t> sources;
    for (const Cast& cast : kCasts) sources[Address(cast.a)] = sources[Address(cast.b)] = kDecided.value | 7;
    CheckReaches(nft_, Rules(sources, {{7, {Address(kCasts[0].egress), Address(kCasts[1].egress)}}}));
  }
  std::uint64_t unexpected() { return nft_.CounterPackets("unexpected"); }
  Nft& nft() { return nft_; }

 private:
  Nft nft_;
};

struct Entry {
  ConnectionTuple original, reply;
  std::uint32_t mark = 0, status = 0;
  std::uint8_t tcp_state = 0, tcp_flags = 0;
  std::uint16_t translated_port = 0;
};
inline std::vector<Entry> Entries() {
  std::vector<Entry> all;
  const auto done = DumpConnections(ConntrackHere().socket(), {}, [&](const DecodedConnection& found) {
    all.push_back({found.original, found.reply, found.mark, found.status, found.tcp_state, found.tcp_flags, found.translated_port()});
  });
  REQUIRE(done.has_value());
  return all;
}

using Restorable = std::vector<std::pair<Translation, IpAddress>>;
inline Restoration Restore(const Restorable& translations) {
  const auto restored = RestoreTranslations(ConntrackHere(), translations, kDecided);
  REQUIRE_MESSAGE(restored.has_value(), restored.error().message);
  return *restored;
}
inline std::size_t Forget(const char* egress) {
  const IpAddress address = Address(egress);
  const auto forgotten = ForgetTranslations(ConntrackHere(), std::span(&address, 1), kDecided);
  REQUIRE_MESSAGE(forgotten.has_value(), forgotten.error().message);
  return *forgotten;
}

inline std::uint16_t PortOf(SocketAddress address) {
  return ntohs(address.storage.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port
                                                    : reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
}
inline std::uint16_t OwnPort(const Fd& fd) {
  SocketAddress address;
  REQUIRE(::getsockname(fd.get(), address.get(), &address.length) == 0);
  return PortOf(address);
}

inline bool WaitWritable(const Fd& fd, int milliseconds) {
  pollfd waiting{.fd = fd.get(), .events = POLLOUT, .revents = 0};
  return ::poll(&waiting, 1, milliseconds) == 1;
}
// Sends the text one way and checks that it arrives whole.
inline bool Says(const Fd& from, const Fd& to, const std::string& text) {
  std::size_t sent = 0;
  std::string received;
  while (received.size() < text.size()) {
    if (sent < text.size()) {
      const auto more = ::send(from.get(), text.data() + sent, text.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (more < 0 && errno != EAGAIN) return false;
      if (more > 0) sent += static_cast<std::size_t>(more);
    }
    if (!WaitReadable(to, kPatienceMilliseconds)) return false;
    char buffer[65536];
    const auto size = ::recv(to.get(), buffer, sizeof(buffer), 0);
    if (size <= 0) return false;
    received.append(buffer, static_cast<std::size_t>(size));
  }
  return received == text;
}

inline bool Acknowledged(const Fd& fd) {
  for (int waited = 0; waited < kPatienceMilliseconds; ++waited) {
    tcp_info state{};
    socklen_t length = sizeof(state);
    REQUIRE(::getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &state, &length) == 0);
    if (state.tcpi_unacked == 0) return true;
    ::usleep(1000);
  }
  return false;
}

// An established TCP connection through the gateway.
struct Conversation {
  Fd client, server;
  std::uint16_t client_port = 0, outside_port = 0;  // as the server sees it

  Conversation(const Cast& cast, const char* source, std::uint16_t source_port, const Fd& listener, std::uint16_t port) {
    client = Bound(SOCK_STREAM, {source, source_port});
    SocketAddress destination(cast.outsider, port), seen;
    REQUIRE(::connect(client.get(), destination.get(), destination.length) == 0);
    server = Fd(::accept(listener.get(), seen.get(), &seen.length));
    REQUIRE(server.is_open());
    REQUIRE(seen.Text() == Address(cast.egress).ToString());
    client_port = OwnPort(client);
    outside_port = PortOf(seen);
  }
  // Says something both ways. Afterwards all is acknowledged: neither side has anything to say by itself.
  bool Works() {
    return Says(client, server, "question") && Says(server, client, "answer") && Acknowledged(client) && Acknowledged(server);
  }
};
inline Fd Listening(const Cast& cast, std::uint16_t port) {
  auto listener = Bound(SOCK_STREAM, {cast.outsider, port});
  REQUIRE(::listen(listener.get(), 16) == 0);
  return listener;
}

inline Translation TranslationOf(const Cast& cast, const char* source, std::uint8_t protocol, std::uint16_t source_port,
                                 std::uint16_t destination_port, std::uint16_t translated_port) {
  return {.id = {7},
          .protocol = protocol,
          .source = Address(source),
          .destination = Address(cast.outsider),
          .source_port = source_port,
          .destination_port = destination_port,
          .translated_port = translated_port,
          .answered = true};
}

}  // namespace egressd::kernel::test
