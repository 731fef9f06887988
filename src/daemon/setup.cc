#include "daemon/setup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <format>

#include "egressd/control/files.h"
#include "egressd/policy/validate.h"
#include "egressd/yaml/yaml.h"

namespace egressd::daemon {

namespace {

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

}  // namespace

std::string KeyPath(const policy::NodeConfig& config) {
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY"); directory != nullptr) {
    const std::string path = std::string(directory) + "/gossip.key";
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  return config.cluster.key_file;
}

std::expected<std::vector<gossip::Key>, Unfit> ReadKeys(const policy::NodeConfig& config) {
  const std::string path = KeyPath(config);
  struct stat is{};
  if (::stat(path.c_str(), &is) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
    if (config.cluster.join.empty()) return std::vector<gossip::Key>{};  // a cluster of one
    return std::unexpected(
        Unfit{.message = std::format("cluster.join names {} other nodes, but there is no gossip key in {}: nodes never speak in plain "
                                     "text.\n  try  egressctl keys generate > {}  and copy that file to every node (mode 0600)",
                                     config.cluster.join.size(), path, path)});
  }
  if ((is.st_mode & 0027U) != 0) {
    return std::unexpected(Unfit{.message = std::format("{}: others may read or change the gossip key (mode {:04o})\n  try  chmod 0600 {}",
                                                        path, is.st_mode & 07777U, path)});
  }
  auto text = control::ReadFile(path);
  if (!text) return std::unexpected(Unfit{.message = text.error().message});
  auto keys = gossip::ParseKeys(*text);
  if (!keys) return std::unexpected(Unfit{.message = path + ": " + keys.error().message});
  return std::move(*keys);
}

std::expected<Setup, Unfit> ReadSetup(const Options& options) {
  Setup out{.options = options};
  auto text = control::ReadFile(options.config);
  if (!text && (text.error().kind != ErrorKind::kNotFound || options.config_given))
    return std::unexpected(Unfit{.message = text.error().message});
  if (text) {
    out.config_text = std::move(*text);
    auto parsed = yaml::ParseNodeConfig(out.config_text, options.config);
    if (!parsed.ok()) return std::unexpected(Unfit{.findings = std::move(parsed.findings), .text = out.config_text});
    out.config = std::move(parsed.value);
  }
  if (out.config.node.name.empty()) out.config.node.name = HostName();
  auto keys = ReadKeys(out.config);
  if (!keys) return std::unexpected(std::move(keys.error()));
  out.keys = std::move(*keys);
  return out;
}

std::vector<policy::Finding> CheckAgainstHost(const Setup& setup, const state::Host& host) {
  policy::Surroundings surroundings{.tunnel = setup.config.tunnel};
  for (const state::HostDevice& device : host.devices) {
    for (const Prefix& prefix : device.addresses) surroundings.node_addresses.push_back(prefix.address);
  }
  for (const state::HostRoute& route : host.routes) {
    if (route.destination.length > 0 && route.device != setup.config.tunnel.device) surroundings.routes.push_back(route.destination);
  }
  auto findings = policy::Validate(setup.config, surroundings);
  yaml::Locate(findings, setup.config_text, setup.options.config);
  return findings;
}

void PointInto(std::vector<policy::Finding>& findings, const std::string& text, const std::string& file) {
  for (policy::Finding& finding : findings) {
    finding.file = file;
    if (finding.line != 0) continue;
    std::vector<policy::Finding> one{finding};
    yaml::Locate(one, text, file);
    finding = std::move(one.front());
  }
}

std::string ToString(const std::vector<policy::Finding>& findings, const std::string& text) {
  std::string out;
  const bool color = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  for (const policy::Finding& finding : findings) {
    if (!out.empty() && !out.ends_with('\n')) out += '\n';
    out += yaml::Render(finding, text, color);
  }
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string ToString(const Unfit& unfit) {
  return unfit.findings.empty() ? unfit.message : ToString(unfit.findings, unfit.text);
}

}  // namespace egressd::daemon
