// Whatever bytes come: Decode accepts them only when Encode writes exactly the same.
#include <cstddef>
#include <cstdint>

#include "egressd/base/error.h"
#include "egressd/gossip/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace egressd;
  const gossip::ByteView input(bytes, size);
  if (const auto message = gossip::Decode(input)) EGRESSD_ASSERT(gossip::Encode(*message) == gossip::Bytes(bytes, bytes + size));
  return 0;
}
