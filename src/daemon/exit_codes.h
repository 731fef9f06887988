// Exit codes of the daemon, the same numbers as egressctl's.
#pragma once

namespace egressd::daemon {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNoPermission = 4;
inline constexpr int kInvalidConfiguration = 78;

}  // namespace egressd::daemon
