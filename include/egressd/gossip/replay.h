// Every datagram counts once: a window over the sequence numbers of each sender's incarnation.
//
// 1. A sequence number is accepted at most once, and never when it lies kBits or more below the highest one accepted.
// 2. A higher incarnation begins a new window. The one before it keeps its own, so that a newcomer with somebody's name does not cut off
//    the one who was there; any other lower one is a replay for ever. (A node whose clock went back learns its former incarnation from
//    a Ping and goes above it.)
// 3. Memory is bounded: kSenders windows; senders beyond that are refused.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace egressd::gossip {

class ReplayWindow {
 public:
  static constexpr std::uint64_t kBits = 4096;  // a message to each of 1,000 members takes as many numbers
  // True, once, for every number inside or above the window.
  bool Accept(std::uint64_t sequence);

 private:
  bool Test(std::uint64_t sequence) const { return (bits_[sequence % kBits / 64] >> (sequence % 64) & 1) != 0; }
  void Set(std::uint64_t sequence) { bits_[sequence % kBits / 64] |= std::uint64_t{1} << (sequence % 64); }
  void Clear(std::uint64_t sequence) { bits_[sequence % kBits / 64] &= ~(std::uint64_t{1} << (sequence % 64)); }
  std::uint64_t highest_ = 0;  // 0 = nothing accepted yet; sequence numbers start at 1
  std::array<std::uint64_t, kBits / 64> bits_{};
};

class ReplayGuard {
 public:
  static constexpr std::size_t kSenders = 4096;
  bool Accept(const std::string& sender, std::uint64_t incarnation, std::uint64_t sequence);

 private:
  struct Life {
    std::uint64_t incarnation = 0;
    ReplayWindow window;
  };
  struct Sender {
    Life latest;
    std::unique_ptr<Life> before;
  };
  std::map<std::string, Sender> senders_;
};

}  // namespace egressd::gossip
