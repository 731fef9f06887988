// A policy generation as it is stored and travels: the operator's text, the bindings that were settled when it was applied, and which
// contents were applied before it. gossip::Replication carries it without looking inside.
//
// 1. DecodeGeneration accepts exactly what EncodeGeneration writes, and only bindings that keep the invariants of binding.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/gossip/wire.h"
#include "egressd/policy/binding.h"

namespace egressd::agent {

inline constexpr std::size_t kAppliedLimit = 64;

struct PolicyGeneration {
  std::uint64_t number = 0;              // 0 = no policy yet
  std::string origin;                    // "gw1: root"
  std::string text;
  policy::Bindings bindings;
  std::vector<std::uint64_t> applied;    // digests of texts that were applied so far, this one included; oldest first
  bool operator==(const PolicyGeneration&) const = default;
};

std::uint64_t DigestOfText(std::string_view text);
// `applied` with one more at the end; without repetition, at most kAppliedLimit.
std::vector<std::uint64_t> WithApplied(std::vector<std::uint64_t> applied, std::uint64_t digest);

std::string EncodeGeneration(const PolicyGeneration& generation);
std::optional<PolicyGeneration> DecodeGeneration(std::string_view content);

// Strings that hold bytes.
inline gossip::ByteView ViewOf(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
inline std::string TextOf(gossip::ByteView bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace egressd::agent
