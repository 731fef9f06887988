#include "egressd/discover/follower.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <set>

#include "discover/notifications.h"
#include "egressd/base/hash.h"

namespace egressd::discover {

namespace {

constexpr std::uint32_t kSelfEvents = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t kFileEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB;
constexpr std::uint32_t kAboveEvents = IN_CREATE | IN_MOVED_TO;
constexpr std::size_t kLargestFile = std::size_t{64} << 20U;  // bytes

Result<std::string> Read(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return std::unexpected(SystemError(path, errno));
  struct stat is{};
  if (::fstat(fd.get(), &is) < 0) return std::unexpected(SystemError(path, errno));
  if (!S_ISREG(is.st_mode)) return Fail(ErrorKind::kInvalid, path + ": not a regular file");
  std::string out;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(SystemError(path, errno));
    if (got == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(got));
    if (out.size() > kLargestFile) return Fail(ErrorKind::kInvalid, path + ": larger than 64 MiB");
  }
}

std::string Above(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A name that just appeared is complete only when nothing needs to write to it any more: a link. A file is closed by its writer later.
bool IsLink(const std::string& path) {
  struct stat is{};
  return ::lstat(path.c_str(), &is) == 0 && (S_ISLNK(is.st_mode) || (S_ISREG(is.st_mode) && is.st_nlink > 1));
}

}  // namespace

bool IsDropIn(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.front() == '#') return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

Result<Follower> Follower::Open(std::string directory) {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd.is_open()) return std::unexpected(SystemError("inotify", errno));
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  Follower out(std::move(directory), std::move(fd));
  out.Watch();
  return out;
}

void Follower::Watch() {
  if (watch_ >= 0) ::inotify_rm_watch(inotify_.get(), watch_);
  watch_ = -1;
  for (int attempt = 0; attempt < 8; ++attempt) {
    std::string below;  // what did not exist a moment ago
    for (std::string path = directory_; watch_ < 0; path = Above(path)) {
      const auto events = kSelfEvents | IN_ONLYDIR | (path == directory_ ? kFileEvents : kAboveEvents);
      watch_ = ::inotify_add_watch(inotify_.get(), path.c_str(), events);
      watched_ = path;
      if (watch_ < 0 && path == Above(path)) return;
      if (watch_ < 0) below = path;
    }
    struct stat is{};
    if (below.empty() || ::stat(below.c_str(), &is) < 0 || !S_ISDIR(is.st_mode)) return;
    ::inotify_rm_watch(inotify_.get(), watch_);  // it appeared before the watch above it stood
    watch_ = -1;
  }
}

std::optional<FileChange> Follower::Look(const std::string& name) {
  FileChange change{.name = name, .path = directory_ + '/' + name};
  const auto before = reported_.find(name);
  struct stat is{};
  if (::stat(change.path.c_str(), &is) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
    if (before == reported_.end()) return std::nullopt;
    reported_.erase(before);
    return change;
  }
  auto content = Read(change.path);
  const std::uint64_t digest = content ? StableHash(*content) | 1U : 0;
  if (before != reported_.end() && before->second == digest) return std::nullopt;
  reported_[name] = digest;
  if (content) {
    change.content = std::move(*content);
  } else {
    change.error = std::move(content.error());
  }
  return change;
}

std::vector<FileChange> Follower::Scan() {
  std::set<std::string> names;
  for (const auto& [name, digest] : reported_) names.insert(name);
  if (DIR* directory = ::opendir(directory_.c_str()); directory != nullptr) {
    while (const dirent* entry = ::readdir(directory)) {
      if (IsDropIn(entry->d_name)) names.insert(entry->d_name);
    }
    ::closedir(directory);
  }
  std::vector<FileChange> out;
  for (const std::string& name : names) {
    if (auto change = Look(name)) out.push_back(std::move(*change));
  }
  return out;
}

std::vector<FileChange> Follower::Take() {
  std::set<std::string> names;
  bool everything = false;
  ForEachNotification(inotify_, [&](const inotify_event& event, const std::string& name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) everything = true;
    if (event.wd != watch_) return;
    if (watched_ != directory_ || (event.mask & (kSelfEvents | IN_IGNORED | IN_UNMOUNT)) != 0) {
      everything = true;
      return;
    }
    if (!IsDropIn(name)) return;
    if ((event.mask & IN_CREATE) != 0 && !IsLink(directory_ + '/' + name)) return;
    names.insert(name);
  });
  if (everything) {
    Watch();
    // Between the loss of a watch and the new one nobody was looking.
    return Scan();
  }
  std::vector<FileChange> out;
  for (const std::string& name : names) {
    if (auto change = Look(name)) out.push_back(std::move(*change));
  }
  return out;
}

}  // namespace egressd::discover
