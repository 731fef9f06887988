// Files that the daemon and egressctl both touch, and names of users and groups without NSS (the binary is static).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::control {

inline constexpr std::size_t kLargestFile = std::size_t{64} << 20U;  // bytes; what is larger is refused

// Errors: kNotFound, kPermission, kSystem; the message names the file.
Result<std::string> ReadFile(const std::string& path);
// Write, fsync, rename: whoever reads sees the old content or the new one. Keeps the mode of a file that exists, else `mode`.
Result<void> WriteFile(const std::string& path, const std::string& content, unsigned mode);
// Makes the directory and what is above it.
Result<void> MakeDirectory(const std::string& path, unsigned mode);
// Holds <directory>/lock for as long as the Fd lives. Error kStale: somebody else holds it.
Result<Fd> LockDirectory(const std::string& directory);
// From /etc/group and /etc/passwd; numbers name themselves.
std::optional<std::uint32_t> GroupNumber(const std::string& name);
std::string UserName(std::uint32_t user);

}  // namespace egressd::control
