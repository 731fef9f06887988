#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <ranges>

#include "discover/notifications.h"
#include "egressd/discover/processes.h"

namespace egressd::discover {
namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW;
constexpr std::ptrdiff_t kDeepest = 16;  // levels

// Units that hold other units. What else has children has made them itself: they are of no manager that egressd knows.
bool HoldsUnits(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.empty() || name.ends_with(".slice") || (name.starts_with("user@") && name.ends_with(".service"));
}

// The octal escapes of mountinfo: space, tab, newline, backslash.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    if (!escaped) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

}  // namespace

std::optional<std::string> CgroupRootIn(std::string_view mountinfo) {
  std::optional<std::string> found;
  for (const auto line : std::views::split(mountinfo, '\n')) {
    std::vector<std::string_view> fields;
    std::optional<std::size_t> separator;
    for (const auto field : std::views::split(std::string_view(line), ' ')) {
      if (std::string_view(field) == "-" && !separator && fields.size() >= 6) separator = fields.size();
      fields.emplace_back(field);
    }
    // 36 35 0:33 ROOT MOUNTPOINT options [optional fields] - TYPE source options; only a mount of the root has all of the tree.
    if (!separator || *separator + 1 >= fields.size() || fields[*separator + 1] != "cgroup2" || fields[3] != "/") continue;
    found = Unescaped(fields[4]);  // a later one lies over an earlier one
  }
  return found;
}

Result<UnitFollower> UnitFollower::Open(std::string root) {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd.is_open()) return std::unexpected(SystemError("inotify", errno));
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  return UnitFollower(std::move(root), std::move(fd));
}

// Watched before it is read: what appears in between is seen twice, never missed.
void UnitFollower::Enter(const std::string& path) {
  const std::string directory = root_ + path;
  const int watch = ::inotify_add_watch(inotify_.get(), directory.c_str(), kEvents);
  if (watch < 0) return;  // gone again, or no watch left: the next full reading finds it
  watches_[watch] = path;
  DIR* opened = ::opendir(directory.c_str());
  if (opened == nullptr) return;
  while (const dirent* entry = ::readdir(opened)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') Look(path + '/' + entry->d_name);
  }
  ::closedir(opened);
}

// True when something about it is new. The inode of a cgroup's directory is its id (kernel: cgroup_id).
bool UnitFollower::Look(const std::string& path) {
  struct stat is{};
  const bool there = ::lstat((root_ + path).c_str(), &is) == 0 && S_ISDIR(is.st_mode);
  const auto known = cgroups_.find(path);
  if (known != cgroups_.end() && there && known->second == is.st_ino) return false;
  const bool changed = there || known != cgroups_.end();
  if (known != cgroups_.end()) Forget(path);
  if (!there) return changed;
  cgroups_[path] = is.st_ino;
  if (HoldsUnits(path) && std::ranges::count(path, '/') < kDeepest) Enter(path);
  return true;
}

void UnitFollower::Forget(const std::string& path) {
  const auto IsBelow = [&](const std::string& other) { return other == path || other.starts_with(path + '/'); };
  std::erase_if(cgroups_, [&](const auto& entry) { return IsBelow(entry.first); });
  std::erase_if(watches_, [&](const auto& entry) {
    if (!IsBelow(entry.second)) return false;
    ::inotify_rm_watch(inotify_.get(), entry.first);
    return true;
  });
}

std::vector<policy::Cgroup> UnitFollower::Everything() const {
  std::vector<policy::Cgroup> all;
  all.reserve(cgroups_.size());
  for (const auto& [path, id] : cgroups_) all.push_back({.id = id, .path = path});
  return all;
}

std::vector<policy::Cgroup> UnitFollower::Scan() {
  for (const auto& [watch, path] : watches_) ::inotify_rm_watch(inotify_.get(), watch);
  watches_.clear();
  cgroups_.clear();
  Enter("");
  return Everything();
}

std::optional<std::vector<policy::Cgroup>> UnitFollower::Take() {
  bool changed = false, lost = false;
  ForEachNotification(inotify_, [&](const inotify_event& event, const std::string& name) {
    if ((event.mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) != 0) lost = true;
    const auto watch = watches_.find(event.wd);
    if (watch == watches_.end()) return;
    if ((event.mask & IN_IGNORED) != 0) {
      watches_.erase(watch);
      return;
    }
    if ((event.mask & IN_ISDIR) == 0 || name.empty()) return;
    changed = Look(watch->second + '/' + name) || changed;
  });
  if (lost) return Scan();
  return changed ? std::optional(Everything()) : std::nullopt;
}

}  // namespace egressd::discover
