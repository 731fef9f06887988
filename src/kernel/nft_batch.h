// One atomic nf_tables transaction as one datagram, which remembers the step that every byte of it came from.
//
// 1. Sequence numbers of the messages are consecutive, the opening one first.
// 2. A message must not grow by more than kMessageBytes; attributes that hold lists are limited to 64 KiB by
// the kernel anyway.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "egressd/state/transaction.h"
#include "kernel/nft_codec.h"

namespace egressd::kernel {

class NftBatch {
 public:
  static constexpr std::size_t kMessageBytes = std::size_t{96} * 1024;
  static constexpr std::size_t kListBytes =
      60'000;  // a list attribute is closed once it is longer (its length field has 16 bits)

  struct Origin {
    const state::Step* step = nullptr;
    const state::NftRule* rule = nullptr;  // where the step is a chain
  };

  // `generation` 0 = do not check.
  NftBatch(std::uint32_t first_sequence, std::uint32_t generation);

  // A message of type NFT_MSG_…, to which the caller adds attributes until Close.
  nlmsghdr* Open(std::uint16_t type, std::uint16_t flags, state::NftFamily family, Origin origin);
  // What is added to the open message from here on comes from this step.
  void Continue(Origin origin);
  void Close();
  // Nothing may be added any more. The datagram lives as long as the batch.
  std::span<const std::uint8_t> Finish();

  bool empty() const { return origins_.empty(); }
  // Where the byte at `offset` of the message with this sequence number came from; nullopt for the frame of
  // the batch.
  std::optional<Origin> Find(std::uint32_t sequence, std::uint32_t offset) const;

 private:
  struct Mark {
    std::size_t position = 0;  // in bytes_
    Origin origin;
  };
  struct alignas(8) Scratch {
    std::uint8_t bytes[kMessageBytes];
  };
  void AppendScratch(std::size_t size);

  std::uint32_t first_sequence_ = 0;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::size_t> messages_;  // positions in bytes_, by sequence
  std::vector<Mark> origins_;          // ascending
  std::unique_ptr<Scratch> scratch_;
  nlmsghdr* open_ = nullptr;
};

// What is known of the objects that a batch does not carry itself.
struct NftKnown {
  std::map<state::NftName, state::NftSet> sets;
  std::map<state::NftName, std::optional<state::NftHook>> chains;
};

// Puts the nftables steps into the batch, in an order that the kernel accepts: in front of leases the removal
// of `awake` (nft_lease.h), then everything that goes (rules, elements, sets, chains, counters, tables), then
// everything that comes (tables, counters, sets, chains, elements, rules). Brings `known` up to date with what the batch will have done. kInvalid: an
// element of a set that nobody knows.
Result<void> Encode(std::span<const state::Step> steps, NftKnown& known, NftBatch& batch);

}  // namespace egressd::kernel
