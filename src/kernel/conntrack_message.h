// Talking to ctnetlink: one filtered dump, or many messages of ours in a few datagrams.
//
// 1. The kernel works a datagram off message by message; one that is refused does not stop those behind it.
// 2. A connection is deleted by the very bytes of its original tuple, with its zone and id, so that a new one that took its place
//    meanwhile is spared.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/kernel/conntrack.h"
#include "kernel/conntrack_codec.h"
#include "kernel/nft_socket.h"

namespace egressd::kernel {

// Reads the table once, both families. Entries with another mark are left out by the kernel, before they are copied.
Result<void> DumpConnections(NetfilterSocket& socket, const MarkMatch& mark, const std::function<void(const DecodedConnection&)>& visit);
// Deletes every entry of that mark for which `doomed` says so; how many. An entry that is gone meanwhile is no error.
Result<std::size_t> DeleteWhere(NetfilterSocket& socket, const MarkMatch& mark,
                                const std::function<bool(const DecodedConnection&)>& doomed);

class ConntrackMessages {
 public:
  enum class Kind : std::uint8_t { kCreate, kUpdate, kGet, kDelete };
  // What the kernel said to message number `index`: an error, or the entry that was asked for. It is silent about what it has done.
  using Answer = std::function<void(std::size_t index, const nlmsghdr* answer)>;

  // Opens a message: attributes are put behind it, at most kMessageBytes in all, before End.
  nlmsghdr* Begin(Kind kind, Family family);
  void End();
  void AddDelete(const DecodedConnection& connection);

  std::size_t size() const { return ends_.size(); }
  void Clear();
  // Sends all of them, a few hundred a datagram.
  Result<void> Exchange(NetfilterSocket& socket, const Answer& answer);

 private:
  static constexpr std::size_t kMessageBytes = 1024;
  std::size_t BeginOf(std::size_t index) const { return index == 0 ? 0 : ends_[index - 1]; }

  alignas(8) std::array<std::uint8_t, kMessageBytes> scratch_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::size_t> ends_;
};

}  // namespace egressd::kernel
