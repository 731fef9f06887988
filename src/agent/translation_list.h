// Many translations in few bytes: each says only what differs from the one before it.
//
//   flags      bits 0-1 protocol: TCP, UDP, the family's ICMP, another one (a byte follows); 2 IPv6; 3 answered;
//              4 the port outside is another one (it is the last field); 5, 6, 7 id, source, destination as before
//   protocol?  id?  source?  destination?  source port  destination port  translated port?
//
// 1. There is one way to write a list: what could be left out must be left out. Before the first one stands an empty translation.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "egressd/gossip/wire.h"
#include "egressd/state/translation.h"

namespace egressd::agent {

inline constexpr std::size_t kCountBytes = 3;  // of a list that fits into a letter

// Source and destination are of one family (asserted).
void Write(gossip::Writer& out, std::span<const state::Translation> translations);
// Fails the reader on anything that Write does not write.
std::vector<state::Translation> ReadTranslations(gossip::Reader& in);
// As many as take at most `limit_bytes` without their count, at least one if there are any; `rest` loses them.
std::vector<state::Translation> TakeTranslations(std::span<const state::Translation>& rest, std::size_t limit_bytes);

}  // namespace egressd::agent
