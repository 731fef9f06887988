// Who says what about which address, from the bytes of a frame.
#include "kernel/uplink_frame.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "kernel/announcement.h"
#include "kernel/neighbour_discovery.h"
#include "uplink_captured.h"

namespace egressd::test {
namespace {

using kernel::Claim;
using kernel::DecodeArp;
using kernel::DecodeNeighbourDiscovery;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
constexpr MacAddress kFar{{2, 0, 0, 0, 0, 2}}, kOther{{2, 0, 0, 0, 0, 9}};

Claim Claims(std::string_view address) { return {.address = Ip(address), .mac = kFar, .from = kFar}; }
Claim Probes(std::string_view address) { return {.address = Ip(address), .mac = kFar, .from = kFar, .probe = true}; }

// Ethernet header in front of a packet, from kFar.
template <typename Packet>
Frame Framed(std::uint16_t protocol, const Packet& packet) {
  Frame frame(6, 0xff);
  frame.insert(frame.end(), kFar.bytes.begin(), kFar.bytes.end());
  frame.push_back(static_cast<std::uint8_t>(protocol >> 8));
  frame.push_back(static_cast<std::uint8_t>(protocol & 0xff));
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

// A neighbour discovery frame whose checksum is right again.
Frame Resealed(Frame frame) {
  frame[56] = frame[57] = 0;
  const auto sum = kernel::NeighbourChecksum(std::span(frame).subspan(kernel::kEthernetHeaderBytes));
  frame[56] = static_cast<std::uint8_t>(sum >> 8);
  frame[57] = static_cast<std::uint8_t>(sum & 0xff);
  return frame;
}

}  // namespace

TEST_CASE("ARP, whatever the operation, claims its sender address") {
  CHECK(DecodeArp(FromHex(kArpRequest)) == Claims("203.0.113.10"));
  CHECK(DecodeArp(FromHex(kArpReply)) == Claims("203.0.113.10"));
  for (const auto form : {kernel::ArpForm::kRequest, kernel::ArpForm::kReply}) {
    CHECK(DecodeArp(Framed(0x0806, kernel::ArpAnnouncement(Ip("203.0.113.7"), kFar, form))) == Claims("203.0.113.7"));
  }
}

TEST_CASE("an ARP request from nobody probes its target; a reply from nobody says nothing") {
  Frame probe = Framed(0x0806, kernel::ArpProbe(Ip("203.0.113.7"), kFar));
  CHECK(DecodeArp(probe) == Probes("203.0.113.7"));
  probe[21] = 2;
  CHECK_FALSE(DecodeArp(probe));
  Frame nothing = Framed(0x0806, kernel::ArpProbe(Ip("0.0.0.0"), kFar));
  CHECK_FALSE(DecodeArp(nothing));
}

TEST_CASE("an ARP sender may speak for another MAC address than the frame comes from") {
  Frame frame = FromHex(kArpReply);
  frame[11] = 9;
  CHECK(DecodeArp(frame) == Claim{.address = Ip("203.0.113.10"), .mac = kFar, .from = kOther});
}

TEST_CASE("an Ethernet frame may be padded behind its packet") {
  Frame frame = FromHex(kArpReply);
  frame.resize(60);
  CHECK(DecodeArp(frame) == Claims("203.0.113.10"));
  frame = FromHex(kUnsolicited);
  frame.resize(120, 0xaa);
  CHECK(DecodeNeighbourDiscovery(frame) == Claims("2001:db8::10"));
}

TEST_CASE("ARP that is cut off, or for another kind of network or address, is nothing") {
  const Frame whole = FromHex(kArpReply);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(DecodeArp(std::span(whole).first(size)));
  for (const std::size_t at : {12U, 13U, 14U, 15U, 16U, 17U, 18U, 19U}) {
    Frame other = whole;
    other[at] ^= 0x10;
    CHECK_FALSE(DecodeArp(other));
  }
  CHECK_FALSE(DecodeArp(FromHex(kUnsolicited)));
}

TEST_CASE("an advertisement claims its target, solicited or not") {
  CHECK(DecodeNeighbourDiscovery(FromHex(kUnsolicited)) == Claims("2001:db8::10"));
  CHECK(DecodeNeighbourDiscovery(FromHex(kSolicited)) == Claims("2001:db8::10"));
  CHECK(DecodeNeighbourDiscovery(Framed(0x86dd, kernel::NeighbourAdvertisement(Ip("2001:db8::7"), kFar))) == Claims("2001:db8::7"));
}

TEST_CASE("a solicitation claims its source; from nobody it probes its target") {
  CHECK(DecodeNeighbourDiscovery(FromHex(kSolicitation)) == Claims("2001:db8::10"));
  CHECK(DecodeNeighbourDiscovery(FromHex(kNeighbourProbe)) == Probes("2001:db8::10"));
  CHECK(DecodeNeighbourDiscovery(Framed(0x86dd, kernel::NeighbourProbe(Ip("2001:db8::7")))) == Probes("2001:db8::7"));
}

TEST_CASE("our neighbour probe is what the kernel sends, but for the nonce") {
  const Frame theirs = FromHex(kNeighbourProbe);
  const auto ours = kernel::NeighbourProbe(Ip("2001:db8::10"));
  const MacAddress group = kernel::SolicitedNodeMac(Ip("2001:db8::10"));
  CHECK(std::ranges::equal(group.bytes, std::span(theirs).first(6)));
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (i == 5 || i == 42 || i == 43) continue;  // length, checksum
    CHECK(ours[i] == theirs[14 + i]);
  }
}

TEST_CASE("the MAC address of an advertisement is that of its option, else of the frame") {
  Frame frame = FromHex(kUnsolicited);
  frame[85] = 9;
  CHECK(DecodeNeighbourDiscovery(Resealed(frame)) == Claim{.address = Ip("2001:db8::10"), .mac = kOther, .from = kFar});
  frame[78] = 14;  // some other option
  CHECK(DecodeNeighbourDiscovery(Resealed(frame)) == Claims("2001:db8::10"));
  Frame bare = FromHex(kUnsolicited);
  bare.resize(78);
  bare[19] = 24;
  CHECK(DecodeNeighbourDiscovery(Resealed(bare)) == Claims("2001:db8::10"));
}

TEST_CASE("what RFC 4861 section 7.1 says to discard is nothing") {
  const auto broken = [](std::string_view text, std::size_t at, std::uint8_t value) {
    Frame frame = FromHex(text);
    frame[at] = value;
    return DecodeNeighbourDiscovery(Resealed(frame));
  };
  CHECK(broken(kUnsolicited, 85, 2));             // unchanged: the frame itself is good
  CHECK_FALSE(broken(kUnsolicited, 12, 0x08));    // not IPv6
  CHECK_FALSE(broken(kUnsolicited, 14, 0x50));    // not version 6
  CHECK_FALSE(broken(kUnsolicited, 20, 17));      // not ICMPv6
  CHECK_FALSE(broken(kUnsolicited, 21, 254));     // a router has passed it on
  CHECK_FALSE(broken(kUnsolicited, 22, 0xff));    // from a multicast address
  CHECK_FALSE(broken(kUnsolicited, 54, 134));     // a router advertisement
  CHECK_FALSE(broken(kUnsolicited, 55, 1));       // code
  CHECK_FALSE(broken(kUnsolicited, 62, 0xff));    // multicast target
  CHECK_FALSE(broken(kUnsolicited, 79, 0));       // an option of no length
  CHECK_FALSE(broken(kUnsolicited, 79, 2));       // an option beyond the end
  CHECK_FALSE(broken(kNeighbourProbe, 78, 1));    // a probe with a source link-layer address
  Frame frame = FromHex(kUnsolicited);
  frame[57] ^= 1;
  CHECK_FALSE(DecodeNeighbourDiscovery(frame));   // checksum
  for (const std::size_t length : {0U, 16U, 31U, 40U, 255U}) {
    frame = FromHex(kUnsolicited);
    frame[19] = static_cast<std::uint8_t>(length);
    CHECK_FALSE(DecodeNeighbourDiscovery(Resealed(frame)));
  }
  const Frame whole = FromHex(kUnsolicited);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(DecodeNeighbourDiscovery(std::span(whole).first(size)));
}

}  // namespace egressd::test
