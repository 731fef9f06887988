#include "plan/choice.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "egressd/base/hash.h"

namespace egressd::plan {
namespace {

using policy::Binding;
using Table = std::vector<const Binding*>;

// The lots in the order in which a binding would like to have them.
std::vector<std::uint32_t> Wishes(const Binding& binding, policy::Spread spread, std::vector<std::uint32_t> lots) {
  if (spread == policy::Spread::kFlow || !binding.egress_ip) return lots;  // neighbours go to different ones, so that few are even, too
  const std::uint64_t seed = StableHash(binding.egress_ip->ToString());
  std::vector<std::pair<std::uint64_t, std::uint32_t>> ranked;
  for (const std::uint32_t lot : lots) {
    const char byte = static_cast<char>(lot);
    ranked.emplace_back(StableHash({&byte, 1}, seed), lot);
  }
  std::ranges::sort(ranked);
  for (std::size_t i = 0; i < lots.size(); ++i) lots[i] = ranked[i].second;
  return lots;
}

// Everybody in turn takes the free lot that it likes best.
void Deal(const std::vector<std::uint32_t>& lots, const std::vector<const Binding*>& takers, policy::Spread spread, Table& table) {
  std::vector<std::vector<std::uint32_t>> wishes;
  for (const Binding* taker : takers) wishes.push_back(Wishes(*taker, spread, lots));
  std::vector<std::size_t> next(takers.size(), 0);
  std::vector<bool> taken(kLots, false);
  for (std::size_t dealt = 0; dealt < lots.size(); ++dealt) {
    const std::size_t turn = dealt % takers.size();
    while (taken[wishes[turn][next[turn]]]) ++next[turn];
    const std::uint32_t lot = wishes[turn][next[turn]];
    taken[lot] = true;
    table[lot] = takers[turn];
  }
}

// include/linux/jhash.h
struct Jenkins {
  std::uint32_t a, b, c;
  void Mix() {
    a -= c, a ^= std::rotl(c, 4), c += b;
    b -= a, b ^= std::rotl(a, 6), a += c;
    c -= b, c ^= std::rotl(b, 8), b += a;
    a -= c, a ^= std::rotl(c, 16), c += b;
    b -= a, b ^= std::rotl(a, 19), a += c;
    c -= b, c ^= std::rotl(b, 4), b += a;
  }
  void Finish() {
    c ^= b, c -= std::rotl(b, 14);
    a ^= c, a -= std::rotl(c, 11);
    b ^= a, b -= std::rotl(a, 25);
    c ^= b, c -= std::rotl(b, 16);
    a ^= c, a -= std::rotl(c, 4);
    b ^= a, b -= std::rotl(a, 14);
    c ^= b, c -= std::rotl(b, 24);
  }
};

std::uint32_t Word(std::span<const std::uint8_t> bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data(), sizeof(word));
  return word;
}

std::uint32_t KernelHash(std::span<const std::uint8_t> bytes, std::uint32_t seed) {
  constexpr std::uint32_t kInitial = 0xdeadbeef;
  constexpr std::size_t kBlock = 12;
  const std::uint32_t start = kInitial + static_cast<std::uint32_t>(bytes.size()) + seed;
  Jenkins state{start, start, start};
  while (bytes.size() > kBlock) {
    state.a += Word(bytes);
    state.b += Word(bytes.subspan(4));
    state.c += Word(bytes.subspan(8));
    state.Mix();
    bytes = bytes.subspan(kBlock);
  }
  // Of an address of either family one word is left.
  for (std::size_t i = 0; i < 4; ++i) state.a += static_cast<std::uint32_t>(bytes[i]) << (8 * i);
  state.Finish();
  return state.c;
}

}  // namespace

std::vector<const Binding*> LotsOf(const Facts& facts, const policy::Policy& policy, Family family) {
  const auto bindings = facts.BindingsOf(policy.name, family);
  EGRESSD_ASSERT(!bindings.empty());
  std::vector<const Binding*> all(bindings.begin(), bindings.end());
  std::ranges::sort(all, {}, &Binding::egress_ip);
  std::vector<std::uint32_t> lots;
  for (std::uint32_t lot = 0; lot < kLots; ++lot) lots.push_back(lot);
  Table table(kLots, nullptr);
  Deal(lots, all, policy.spread, table);
  std::vector<const Binding*> usable = all;
  std::erase_if(usable, [&](const Binding* binding) {
    return !facts.NextHopMark(binding->id) || facts.inputs.carriers.at(binding->id).was_last;
  });
  if (policy.prefer == policy::Prefer::kLocal) {
    std::vector<const Binding*> local = usable;
    std::erase_if(local, [&](const Binding* binding) { return facts.inputs.carriers.at(binding->id).kind != Carrier::Kind::kSelf; });
    if (!local.empty()) usable = std::move(local);
  }
  if (usable.empty() || usable.size() == all.size()) return table;
  std::erase_if(lots, [&](std::uint32_t lot) { return std::ranges::contains(usable, table[lot]); });
  Deal(lots, usable, policy.spread, table);
  return table;
}

std::uint32_t SpreadSeed(std::string_view node_name) { return static_cast<std::uint32_t>(StableHash(node_name)); }

std::uint32_t LotOfSource(const IpAddress& source, std::uint32_t seed) {
  return static_cast<std::uint32_t>(std::uint64_t{KernelHash(source.bytes(), seed)} * kLots >> 32);
}

}  // namespace egressd::plan
