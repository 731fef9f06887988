#include "kernel/sysctl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>

#include "egressd/base/fd.h"
#include "kernel/state_file.h"

namespace egressd::kernel {
namespace {

constexpr std::string_view kRoot = "/proc/sys/";
constexpr std::string_view kForwardingOfAll = "/conf/all/forwarding";

std::string Trimmed(std::string text) {
  text.erase(text.find_last_not_of(" \t\n") + 1);
  text.erase(0, text.find_first_not_of(" \t\n"));
  return text;
}

Result<void> WriteValue(const std::string& path, const std::string& value) {
  const std::string what = std::format("sysctl {} = {}", path, value);
  const Fd fd(::open((std::string(kRoot) + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.is_open()) return std::unexpected(SystemError(what, errno));
  if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return std::unexpected(SystemError(what, errno));
  }
  return {};
}

// The values that a write to `path` changes along, as far as they differ from its own one.
std::map<std::string, std::string> ChangedAlong(const std::string& path, const std::string& value, const std::string& tunnel_device) {
  std::map<std::string, std::string> along;
  if (!path.ends_with(kForwardingOfAll)) return along;
  const std::string conf = path.substr(0, path.size() - std::string_view("/all/forwarding").size());
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(kRoot) + conf, error)) {
    const std::string device = entry.path().filename();
    if (device == "all" || device == tunnel_device) continue;
    const std::string other = conf + "/" + device + "/forwarding";
    const auto found = ReadSysctl(other);
    if (found && *found != value) along.emplace(other, *found);
  }
  return along;
}

// This boot and this network namespace.
std::string Here() {
  struct stat status{};
  if (::stat("/proc/thread-self/ns/net", &status) != 0) status.st_ino = 0;
  return std::format("of={}/{}", ReadSysctl("kernel/random/boot_id").value_or(""), status.st_ino);
}

}  // namespace

std::optional<std::string> ReadSysctl(const std::string& path) {
  const Fd fd(::open((std::string(kRoot) + path).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return std::nullopt;
  char buffer[4096];
  const ssize_t bytes = ::read(fd.get(), buffer, sizeof buffer);
  if (bytes < 0) return std::nullopt;
  return Trimmed(std::string(buffer, static_cast<std::size_t>(bytes)));
}

Result<Sysctls> Sysctls::Open(const std::string& state_directory, std::string tunnel_device) {
  Sysctls sysctls(state_directory.empty() ? "" : state_directory + "/sysctls", std::move(tunnel_device));
  sysctls.Load();
  return sysctls;
}

void Sysctls::Load() {
  std::ifstream in(file_);
  std::string line;
  if (file_.empty() || !std::getline(in, line) || line != Here()) return;
  Original* last = nullptr;
  while (std::getline(in, line)) {
    const bool along = line.starts_with(' ');
    const std::string text = Trimmed(line);
    const auto equals = text.find('=');
    if (equals == std::string::npos) continue;
    const std::string path = text.substr(0, equals);
    const std::string value = text.substr(equals + 1);
    if (!along) {
      last = &originals_[path];
      last->value = value;
    } else if (last != nullptr) {
      last->along[path] = value;
    }
  }
}

Result<void> Sysctls::Save() const {
  if (file_.empty()) return {};
  std::string text = Here() + "\n";
  for (const auto& [path, original] : originals_) {
    text += path + "=" + original.value + "\n";
    for (const auto& [other, value] : original.along) text += "  " + other + "=" + value + "\n";
  }
  return WriteStateFile(file_, text);
}

bool Sysctls::GoesWithTunnel(const std::string& path) const {
  return path.contains("/conf/" + tunnel_device_ + "/") || path.contains("/neigh/" + tunnel_device_ + "/");
}

state::Objects<state::Sysctl> Sysctls::Observe(const std::set<std::string>& paths) const {
  state::Objects<state::Sysctl> found;
  const auto read = [&](const std::string& path) {
    if (found.contains({path})) return;
    if (auto value = ReadSysctl(path)) state::Put(found, state::Sysctl{.key = {path}, .value = std::move(*value)});
  };
  for (const auto& [path, original] : originals_) read(path);
  for (const std::string& path : paths) read(path);
  return found;
}

Result<void> Sysctls::Write(const state::Sysctl& sysctl) {
  const std::string& path = sysctl.key.path;
  if (GoesWithTunnel(path)) return WriteValue(path, sysctl.value);
  if (const auto known = originals_.find(path); known != originals_.end()) {
    if (known->second.value == sysctl.value) return Restore(path);
    return WriteValue(path, sysctl.value);
  }
  const auto before = ReadSysctl(path);
  if (!before) return Fail(ErrorKind::kNotFound, std::format("sysctl {}: there is no such file below /proc/sys", path));
  originals_[path] = {.value = *before, .along = ChangedAlong(path, *before, tunnel_device_)};
  if (auto saved = Save(); !saved) {
    originals_.erase(path);
    return saved;
  }
  return WriteValue(path, sysctl.value);
}

Result<void> Sysctls::Restore(const std::string& path) {
  const auto known = originals_.find(path);
  if (known == originals_.end()) return {};
  const Original original = known->second;
  if (ReadSysctl(path)) {
    if (auto written = WriteValue(path, original.value); !written) return written;
  }
  for (const auto& [other, value] : original.along) {
    const auto now = ReadSysctl(other);
    if (!now || *now == value) continue;
    if (auto written = WriteValue(other, value); !written) return written;
  }
  originals_.erase(path);
  return Save();
}

}  // namespace egressd::kernel
