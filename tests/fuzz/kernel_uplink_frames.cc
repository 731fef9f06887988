// Whatever comes from the wire, as it is or behind headers that are right: a decoder reads within its bounds, and what it finds is an
// address that is in the frame.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "egressd/base/error.h"
#include "kernel/neighbour_discovery.h"
#include "kernel/uplink_frame.h"

namespace {

using namespace egressd;

void Check(std::span<const std::uint8_t> frame) {
  for (const auto& claim : {kernel::DecodeArp(frame), kernel::DecodeNeighbourDiscovery(frame)}) {
    if (!claim) continue;
    EGRESSD_ASSERT(!claim->address.is_unspecified());
    EGRESSD_ASSERT(!std::ranges::search(frame, claim->address.bytes()).empty());
    EGRESSD_ASSERT(!std::ranges::search(frame, claim->mac.bytes).empty());
  }
}

// The input as source address, type, target and options of a neighbour discovery message whose headers and checksum are right.
std::vector<std::uint8_t> Sealed(std::span<const std::uint8_t> input) {
  constexpr std::size_t kMessage = kernel::kEthernetHeaderBytes + kernel::kIpv6HeaderBytes;
  std::vector<std::uint8_t> frame(kMessage + 8);
  const std::size_t message_bytes = (8 + input.size() - 17) & ~std::size_t{1};
  frame[12] = 0x86, frame[13] = 0xdd, frame[14] = 0x60, frame[20] = kernel::kIcmpv6, frame[21] = kernel::kNeighbourHopLimit;
  frame[18] = static_cast<std::uint8_t>(message_bytes >> 8), frame[19] = static_cast<std::uint8_t>(message_bytes & 0xff);
  std::ranges::copy(input.first(16), frame.begin() + 22);
  frame[kMessage] = kernel::kNeighbourSolicitation + input[16] % 2;
  frame.insert(frame.end(), input.begin() + 17, input.end());
  const auto packet = std::span(frame).subspan(kernel::kEthernetHeaderBytes, kernel::kIpv6HeaderBytes + message_bytes);
  const auto sum = kernel::NeighbourChecksum(packet);
  frame[kMessage + 2] = static_cast<std::uint8_t>(sum >> 8);
  frame[kMessage + 3] = static_cast<std::uint8_t>(sum & 0xff);
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::span frame(bytes, size);
  Check(frame);
  if (size >= 17) Check(Sealed(frame));
  return 0;
}
