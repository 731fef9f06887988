// Words to write nft rules with. Each appends expressions and the same thing in nft's own language, so that the comments of `nft list`
// read well:
//
//   Words().SourceNotIn(kIpv4, "peers4").Drop("not_a_peer")   →   "ip saddr != @peers4 counter name not_a_peer drop"
//
// 1. Register 1 carries the value in hand; a concatenation continues in the 32-bit register behind its first word (kNextWord).
// 2. A word that ends the rule (Accept … Done) returns it, sealed.
// 3. Words about IPv4 or IPv6 check the protocol themselves (once a rule).
//
// Called by chains.cc and classes.cc.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "egressd/base/address.h"
#include "egressd/state/nft.h"

namespace egressd::plan {

// The second and third 32-bit word of register 1 (NFT_REG32_01, _02 in linux/netfilter/nf_tables.h).
inline constexpr state::NftRegister kNextWord = 9, kThirdWord = 10;

enum class Direction : std::uint8_t { kOriginal = 0, kReply = 1 };

class Words {
 public:
  // ---- conditions ----
  Words& From(std::string_view device);     // iifname
  Words& To(std::string_view device);       // oifname
  Words& Is(Family family);                 // meta nfproto
  Words& Protocol(std::uint8_t number);     // meta l4proto
  Words& NotProtocol(std::uint8_t number);
  Words& UdpPort(std::uint16_t port);       // udp dport
  Words& SourceIn(Family family, std::string_view set_name);
  Words& SourceNotIn(Family family, std::string_view set_name);
  Words& SourceIsNot(const IpAddress& address);
  Words& DestinationIn(Family family, std::string_view set_name);
  Words& DestinationNotIn(Family family, std::string_view set_name);
  Words& DestinationIn(const Prefix& prefix);
  Words& PortIn(std::string_view set_name);  // meta l4proto . th dport
  Words& Icmpv6(std::uint8_t type);
  Words& NeighbourTargetIn(std::string_view set_name);     // icmpv6 taddr, of neighbour solicitations and advertisements
  Words& NeighbourTargetNotIn(std::string_view set_name);
  Words& ArpSenderIn(std::string_view set_name);           // arp saddr ip
  Words& ArpSenderNotIn(std::string_view set_name);
  Words& ArpAsksFor(std::string_view set_name);            // arp operation request arp daddr ip
  Words& ArpSenderBecomesNobody();                         // arp saddr ip set 0.0.0.0
  Words& Icmpv6OfTheLink();                  // neighbour discovery and multicast listener: types that conntrack does not track
  Words& TcpSyn();
  Words& ConnectionIs(Direction direction);
  Words& ConnectionState(std::uint32_t any_of);  // kCtState… bits
  Words& ConnectionMark(std::uint32_t mask, std::uint32_t value);
  Words& ConnectionMarkNot(std::uint32_t mask, std::uint32_t value);
  Words& ConnectionIdIn(std::string_view set_name);               // ct mark & 0xffff @set
  Words& ConnectionMarkIn(std::string_view set_name);
  Words& ConnectionMarkAndSourceIn(Family family, std::string_view set_name);  // ct mark . saddr @set
  Words& SourceNotOfSender(Family family, std::string_view set_name);  // ether saddr . saddr != @set
  Words& PacketMark(std::uint32_t mask, std::uint32_t value);
  Words& OfProcess();                                                 // meta skuid: the rule ends for what the kernel itself sends
  Words& CgroupIn(std::uint8_t level, std::string_view set_name);     // socket cgroupv2 level N @set; without a socket the rule ends
  Words& CgroupNotIn(std::uint8_t level, std::string_view set_name);

  // ---- statements ----
  Words& Count(std::string_view counter);
  Words& Notrack();
  Words& SetPacketMark(std::uint32_t value);
  Words& SetPacketMarkToConnectionId();                              // meta mark set ct mark & 0xffff
  Words& SetPacketMarkByConnectionMark(std::string_view map);        // meta mark set ct mark map @map; a miss ends the rule
  Words& SetPacketMarkByConnectionId(std::string_view map);          // meta mark set ct mark & 0xffff map @map; a miss ends the rule
  Words& SetConnectionMark(std::uint32_t value);
  Words& SetConnectionMarkFromPacketId(std::uint32_t bits);          // ct mark set meta mark & 0xffff | bits
  Words& SetConnectionMarkBySource(Family family, std::string_view map);  // ct mark set ip saddr map @map; a miss ends the rule
  // ct mark set jhash ip saddr mod … seed … map @map; a miss ends the rule
  Words& SetConnectionMarkByHash(Family family, std::uint32_t modulus, std::uint32_t seed, std::string_view map);
  Words& SetConnectionMarkInTurn(std::uint32_t modulus, std::string_view map);  // ct mark set numgen inc mod … map @map
  // ct mark set (socket cgroupv2 level N map @units) . meta skuid . saddr map @map; level 0: 0 in place of what @units says. A miss in
  // either ends the rule.
  Words& SetConnectionMarkByProcess(Family family, std::uint8_t level, std::string_view units, std::string_view map);
  Words& ProcessIn(Family family, std::uint8_t level, std::string_view units, std::string_view map);  // there is such a value
  // The same value, and the connection mark, are a pair in @agree.
  Words& ProcessAgrees(Family family, std::uint8_t level, std::string_view units, std::string_view map, std::string_view agree);
  Words& SourceAgrees(Family family, std::string_view map, std::string_view agree);  // what the map says of saddr . ct mark @agree
  // limit name ct mark & 0xffff map @map; a miss, and what is not over the limit, ends the rule
  Words& OverLimitOfConnectionId(std::string_view map);
  Words& ClampMss(std::uint16_t mss_bytes);

  // ---- the end ----
  state::NftRule Accept() { return End(state::NftVerdict::Code::kAccept, "accept"); }
  state::NftRule Drop() { return End(state::NftVerdict::Code::kDrop, "drop"); }
  state::NftRule Drop(std::string_view counter) { return Count(counter).Drop(); }
  state::NftRule Return() { return End(state::NftVerdict::Code::kReturn, "return"); }
  state::NftRule Goto(std::string_view chain);
  state::NftRule VerdictByConnectionMark(std::string_view map);      // ct mark vmap @map
  state::NftRule SnatTo(const IpAddress& address);
  state::NftRule SnatToItself(Family family);                        // so that nobody else translates it
  state::NftRule SnatByConnectionId(Family family, std::string_view map);
  state::NftRule Done();                                             // no verdict: the next rule goes on

 private:
  Words& Say(std::initializer_list<std::string_view> parts);  // a space in front, none between
  Words& Need(Family family);  // checks the protocol without a word: the words about addresses tell it
  Words& Add(state::NftExpression expression);
  Words& LoadAddress(Family family, std::uint32_t offset_ipv4, std::uint32_t offset_ipv6, state::NftRegister reg);
  Words& LoadSource(Family family, state::NftRegister reg = 1);
  Words& LoadDestination(Family family);
  Words& LoadConnectionId();
  // Leaves what the map says of the process in register 1, and tells it.
  std::string LoadByProcess(Family family, std::uint8_t level, std::string_view units, std::string_view map);
  Words& AgreesWithConnectionMark(std::string_view agree);
  Words& LoadNeighbourTarget();
  Words& LoadArpSender();
  Words& Lookup(std::string_view set_name);
  Words& LookupMiss(std::string_view set_name);
  Words& LookupValue(std::string_view map);
  state::NftRule End(state::NftVerdict::Code code, std::string_view word);

  state::NftRule rule_;
  std::optional<Family> family_;
};

}  // namespace egressd::plan
