#include <fcntl.h>

#include <charconv>
#include <ranges>

#include "discover/notifications.h"
#include "egressd/discover/processes.h"

namespace egressd::discover {
namespace {

constexpr std::size_t kLargestFile = std::size_t{16} << 20U;  // bytes

}  // namespace

Users UsersIn(std::string_view passwd) {
  Users users;
  for (const auto line : std::views::split(passwd, '\n')) {
    std::vector<std::string_view> fields;
    for (const auto field : std::views::split(std::string_view(line), ':')) fields.emplace_back(field);
    if (fields.size() < 4 || fields[0].empty() || fields[0].front() == '#') continue;
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), number);
    if (error != std::errc() || end != fields[2].data() + fields[2].size()) continue;
    users.emplace(fields[0], number);  // as for getpwnam(3), the first line counts
  }
  return users;
}

Result<UserFollower> UserFollower::Open(std::string path) {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd.is_open()) return std::unexpected(SystemError("inotify", errno));
  // The directory: programs write a new file and rename it.
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  ::inotify_add_watch(fd.get(), directory.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
  return UserFollower(std::move(path), std::move(fd));
}

std::optional<Users> UserFollower::Take() {
  bool touched = false;
  const std::string own_name = path_.substr(path_.rfind('/') + 1);
  ForEachNotification(inotify_, [&](const inotify_event& event, const std::string& name) {
    touched = touched || name == own_name || (event.mask & IN_Q_OVERFLOW) != 0;
  });
  return touched ? std::optional(Scan()) : std::nullopt;
}

Users UserFollower::Scan() const {
  const Fd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 65536> buffer;
  while (fd.is_open() && text.size() < kLargestFile) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return UsersIn(text);
}

}  // namespace egressd::discover
