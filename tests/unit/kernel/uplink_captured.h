// Frames as Linux 6.18 sends them, captured on a veth pair. The far end has 02:00:00:00:00:02, 203.0.113.10 and 2001:db8::10; this one
// 02:00:00:00:00:01, 203.0.113.1 and 2001:db8::1.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace egressd::test {

using Frame = std::vector<std::uint8_t>;

constexpr std::uint8_t Digit(char digit) { return static_cast<std::uint8_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10); }

inline Frame FromHex(std::string_view text) {
  Frame frame;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) frame.push_back(static_cast<std::uint8_t>(Digit(text[i]) << 4 | Digit(text[i + 1])));
  return frame;
}

// The far end asks for 203.0.113.1.
inline constexpr std::string_view kArpRequest = "ffffffffffff02000000000208060001080006040001020000000002cb00710a000000000000cb007101";
// The far end answers for 203.0.113.10.
inline constexpr std::string_view kArpReply = "02000000000102000000000208060001080006040002020000000002cb00710a020000000001cb007101";
// Duplicate address detection for 2001:db8::10, with a nonce (RFC 7527).
inline constexpr std::string_view kNeighbourProbe =
    "3333ff00001002000000000286dd6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff0000108700"
    "3f7c0000000020010db80000000000000000000000100e01844b28e65218";
// The far end has 2001:db8::10 now (ndisc_notify).
inline constexpr std::string_view kUnsolicited =
    "33330000000102000000000286dd6000000000203aff20010db8000000000000000000000010ff0200000000000000000000000000018800"
    "f90b2000000020010db80000000000000000000000100201020000000002";
// It answers a solicitation.
inline constexpr std::string_view kSolicited =
    "02000000000102000000000286dd6000000000203aff20010db800000000000000000000001020010db80000000000000000000000018800"
    "8a556000000020010db80000000000000000000000100201020000000002";
// It asks for 2001:db8::1.
inline constexpr std::string_view kSolicitation =
    "3333ff00000102000000000286dd6000000000203aff20010db8000000000000000000000010ff0200000000000000000001ff0000018700"
    "1c190000000020010db80000000000000000000000010101020000000002";

}  // namespace egressd::test
