#include "kernel/state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "egressd/base/fd.h"

namespace egressd::kernel {

Result<void> WriteStateFile(const std::string& path, std::string_view content) {
  const std::string draft = path + ".new";
  const std::string what = "write " + path;
  {
    const Fd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.is_open()) return std::unexpected(SystemError(what, errno));
    if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) || ::fsync(fd.get()) != 0) {
      return std::unexpected(SystemError(what, errno));
    }
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return std::unexpected(SystemError(what, errno));
  const Fd directory(::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.is_open()) ::fsync(directory.get());
  return {};
}

}  // namespace egressd::kernel
