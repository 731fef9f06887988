// Hostile datagrams, raw and sealed with the right key (somebody inside gone mad): a rejection or a message, nothing else.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "egressd/gossip/channel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace egressd::gossip;
  Key key;
  key.bytes.fill(1);
  Channel channel({key}, "fuzz", "a", 1, 1);
  const ByteView input(bytes, size);
  (void)channel.Open(input);
  Seal seal({key}, "fuzz", "b", 1, 1);
  (void)channel.Open(seal.Close(input.first(std::min(size, kDatagramBytes - kSealOverheadBytes))));
  return 0;
}
