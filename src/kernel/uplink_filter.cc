#include "kernel/uplink_filter.h"

#include <linux/if_packet.h>

#include <cstdint>
#include <utility>

#include "kernel/neighbour_discovery.h"
#include "kernel/uplink_frame.h"

namespace egressd::kernel {
namespace {

constexpr sock_filter Statement(int code, std::uint32_t k) { return {static_cast<std::uint16_t>(code), 0, 0, k}; }
constexpr sock_filter Jump(int code, std::uint32_t k, std::uint8_t if_true, std::uint8_t if_false) {
  return {static_cast<std::uint16_t>(BPF_JMP | BPF_K | code), if_true, if_false, k};
}
constexpr sock_filter LoadByte(std::uint32_t offset) { return Statement(BPF_LD | BPF_B | BPF_ABS, offset); }
constexpr sock_filter LoadHalf(std::uint32_t offset) { return Statement(BPF_LD | BPF_H | BPF_ABS, offset); }
constexpr sock_filter LoadWord(std::uint32_t offset) { return Statement(BPF_LD | BPF_W | BPF_ABS, offset); }
constexpr sock_filter kRefuse = Statement(BPF_RET | BPF_K, 0);
constexpr sock_filter kPass = Statement(BPF_RET | BPF_K, kFrameBytes);

void Append(FilterProgram& program, std::initializer_list<sock_filter> more) { program.insert(program.end(), more); }

// Frames of a VLAN that has no device here reach the device below it as somebody else's (__netif_receive_skb_core).
void RefuseOthers(FilterProgram& program) {
  Append(program, {LoadByte(static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)), Jump(BPF_JEQ, PACKET_OTHERHOST, 0, 1), kRefuse});
}

std::uint32_t LastWord(const IpAddress& address) {
  std::uint32_t word = 0;
  for (const std::uint8_t byte : address.bytes().last(4)) word = word << 8 | byte;
  return word;
}

// Neighbouring addresses make one range; pools are ranges, so this is short.
std::vector<std::pair<std::uint32_t, std::uint32_t>> Ranges(const std::set<IpAddress>& addresses, Family family) {
  std::set<std::uint32_t> words;
  for (const IpAddress& address : addresses) {
    if (address.family() == family) words.insert(LastWord(address));
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  for (const std::uint32_t word : words) {
    if (!ranges.empty() && ranges.back().second + 1 == word) {
      ranges.back().second = word;
    } else {
      ranges.emplace_back(word, word);
    }
  }
  return ranges;
}

// Passes when the accumulator lies in a range.
void PassRanges(FilterProgram& program, const std::set<IpAddress>& addresses, Family family) {
  const auto ranges = Ranges(addresses, family);
  if (ranges.size() > kFilterRanges) {
    program.push_back(kPass);
    return;
  }
  for (const auto& [first, last] : ranges) Append(program, {Jump(BPF_JGE, first, 0, 2), Jump(BPF_JGT, last, 1, 0), kPass});
  program.push_back(kRefuse);
}

}  // namespace

FilterProgram ArpFilter(const std::set<IpAddress>& addresses) {
  FilterProgram program;
  RefuseOthers(program);
  Append(program, {
                      LoadWord(14), Jump(BPF_JEQ, 0x00010800, 1, 0), kRefuse,  // Ethernet, IPv4
                      LoadHalf(18), Jump(BPF_JEQ, 0x0604, 1, 0), kRefuse,      // lengths of their addresses
                      LoadWord(28), Jump(BPF_JEQ, 0, 0, 1), LoadWord(38),      // sender, or target of a probe
                  });
  PassRanges(program, addresses, Family::kIpv4);
  return program;
}

FilterProgram NeighbourFilter(const std::set<IpAddress>& addresses) {
  constexpr std::uint32_t kSource = kEthernetHeaderBytes + 8, kType = kEthernetHeaderBytes + kIpv6HeaderBytes, kTarget = kType + 8;
  FilterProgram program{LoadByte(kEthernetHeaderBytes + 6), Jump(BPF_JEQ, kIcmpv6, 1, 0), kRefuse};  // most packets end here
  RefuseOthers(program);
  Append(program, {LoadByte(kType), Jump(BPF_JEQ, kNeighbourAdvertisement, 10, 0), Jump(BPF_JEQ, kNeighbourSolicitation, 1, 0), kRefuse,
                   // A solicitation from anywhere but :: speaks for its source.
                   LoadWord(kSource), Jump(BPF_JEQ, 0, 0, 8), LoadWord(kSource + 4), Jump(BPF_JEQ, 0, 0, 6), LoadWord(kSource + 8),
                   Jump(BPF_JEQ, 0, 0, 4), LoadWord(kSource + 12), Jump(BPF_JEQ, 0, 0, 2),
                   // The target's last word, or the source's.
                   LoadWord(kTarget + 12), Statement(BPF_JMP | BPF_JA, 1), LoadWord(kSource + 12)});
  PassRanges(program, addresses, Family::kIpv6);
  return program;
}

FilterProgram ClosedFilter() { return {kRefuse}; }

}  // namespace egressd::kernel
