// Whatever bytes come: DecodeKeyLetter accepts them only when Encode writes exactly the same.
#include <cstddef>
#include <cstdint>

#include "agent/key_letter.h"
#include "egressd/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace egressd;
  const gossip::ByteView input(bytes, size);
  if (const auto letter = agent::DecodeKeyLetter(input)) EGRESSD_ASSERT(agent::Encode(*letter) == gossip::Bytes(bytes, bytes + size));
  return 0;
}
