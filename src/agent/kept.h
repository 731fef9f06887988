// The frame of what a node keeps on disk: a name of the format, the content, and a digest of both. What is damaged counts as lost.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/generation.h"
#include "egressd/base/hash.h"
#include "egressd/gossip/wire.h"

namespace egressd::agent {

// `out` begins with the name of the format; the digest follows.
inline std::string Kept(gossip::Writer out) {
  const std::uint64_t digest = StableHash(TextOf(out.bytes()));
  out.U64(digest);
  return TextOf(out.bytes());
}

// The content between name and digest, a view into `bytes`; nullopt: another format, or damaged.
inline std::optional<gossip::ByteView> ContentOf(std::string_view bytes, std::string_view format) {
  constexpr std::size_t kDigestBytes = 8;
  if (bytes.size() < format.size() + kDigestBytes || !bytes.starts_with(format)) return std::nullopt;
  const std::string_view body = bytes.substr(0, bytes.size() - kDigestBytes);
  gossip::Reader tail(ViewOf(bytes.substr(body.size())));
  if (tail.U64() != StableHash(body)) return std::nullopt;
  return ViewOf(body.substr(format.size()));
}

}  // namespace egressd::agent
