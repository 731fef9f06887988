// Exit codes of egressd and egressctl, a contract with scripts: egressctl(1).
#pragma once

namespace egressd {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;          // failed, or the answer is no
inline constexpr int kUsage = 2;
inline constexpr int kNotRunning = 3;
inline constexpr int kNoPermission = 4;
inline constexpr int kNoSuchObject = 5;
inline constexpr int kTimedOut = 6;
inline constexpr int kInvalidConfiguration = 78;

}  // namespace egressd
