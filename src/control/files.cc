#include "egressd/control/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <format>
#include <string_view>
#include <vector>

namespace egressd::control {

namespace {

Error FileError(const std::string& path, int error) {
  Error out = SystemError(path, error);
  if (error == ENOENT || error == ENOTDIR) out.kind = ErrorKind::kNotFound;
  if (error == EACCES || error == EPERM || error == EROFS) out.kind = ErrorKind::kPermission;
  return out;
}

std::string DirectoryOf(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The fields of a line of /etc/group or /etc/passwd.
std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t colon = std::min(line.find(':', at), line.size());
    out.push_back(line.substr(at, colon - at));
    at = colon + 1;
  }
  return out;
}

template <typename Visit>
void ForEachEntry(const char* file, Visit visit) {
  const auto text = ReadFile(file);
  if (!text) return;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const auto fields = Fields(std::string_view(*text).substr(at, end - at));
    if (fields.size() >= 3 && visit(fields[0], fields[2])) return;
    at = end + 1;
  }
}

std::optional<std::uint32_t> Number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<std::string> ReadFile(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return std::unexpected(FileError(path, errno));
  std::string out;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(FileError(path, errno));
    if (got == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(got));
    if (out.size() > kLargestFile) return Fail(ErrorKind::kInvalid, path + ": larger than 64 MiB");
  }
}

Result<void> WriteFile(const std::string& path, const std::string& content, unsigned mode) {
  struct stat present{};
  const bool exists = ::stat(path.c_str(), &present) == 0;
  const std::string temporary = std::format("{}.new-{}", path, ::getpid());
  const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.is_open()) return std::unexpected(FileError(temporary, errno));
  const auto fail = [&](int error) -> Result<void> {
    ::unlink(temporary.c_str());
    return std::unexpected(FileError(path, error));
  };
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t wrote = ::write(fd.get(), content.data() + done, content.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail(errno);
    done += static_cast<std::size_t>(wrote);
  }
  if (exists && ::fchown(fd.get(), present.st_uid, present.st_gid) < 0 && errno != EPERM) return fail(errno);
  if (::fchmod(fd.get(), exists ? present.st_mode & 07777U : mode) < 0 || ::fsync(fd.get()) < 0) return fail(errno);
  if (::rename(temporary.c_str(), path.c_str()) < 0) return fail(errno);
  const Fd directory(::open(DirectoryOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.is_open()) ::fsync(directory.get());  // makes the rename last; where a file system cannot, nothing is lost but speed
  return {};
}

Result<void> MakeDirectory(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0) return {};
  const int error = errno;
  if (error == ENOENT && path != DirectoryOf(path)) {
    if (auto above = MakeDirectory(DirectoryOf(path), 0755); !above) return above;
    if (::mkdir(path.c_str(), mode) == 0) return {};
    return std::unexpected(FileError(path, errno));
  }
  struct stat present{};
  if (::stat(path.c_str(), &present) == 0 && S_ISDIR(present.st_mode)) return {};
  return std::unexpected(FileError(path, error));
}

Result<Fd> LockDirectory(const std::string& directory) {
  const std::string path = directory + "/lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.is_open()) return std::unexpected(FileError(path, errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return Fail(ErrorKind::kStale, "another egressd runs on " + directory);
  return std::unexpected(FileError(path, errno));
}

std::optional<std::uint32_t> GroupNumber(const std::string& name) {
  if (const auto number = Number(name)) return number;
  std::optional<std::uint32_t> out;
  ForEachEntry("/etc/group", [&](std::string_view entry, std::string_view number) {
    if (entry == name) out = Number(number);
    return entry == name;
  });
  return out;
}

std::string UserName(std::uint32_t user) {
  std::string out;
  ForEachEntry("/etc/passwd", [&](std::string_view entry, std::string_view number) {
    if (Number(number) == user) out = entry;
    return !out.empty();
  });
  return out.empty() ? "uid " + std::to_string(user) : out;
}

}  // namespace egressd::control
