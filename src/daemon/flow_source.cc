#include "daemon/flow_source.h"

#include <algorithm>
#include <format>
#include <ranges>
#include <string_view>

namespace egressd::daemon {
namespace {

constexpr std::string_view kUnit = "unit:", kUser = "user:";

// The units around a running one are its own, too.
std::vector<std::string> UnitsAround(const policy::Processes& processes, const std::string& unit) {
  for (const policy::Cgroup& cgroup : processes.cgroups) {
    std::vector<std::string> units = policy::UnitsOf(cgroup.path);
    if (!units.empty() && units.back() == unit) return units;
  }
  return {unit};
}

Result<policy::Process> ProcessOf(const agent::Agent& agent, const std::string& text) {
  policy::Process process;
  const policy::Processes nothing;
  const policy::Processes& processes = agent.selection() == nullptr ? nothing : agent.selection()->processes();
  for (const auto part : std::views::split(std::string_view(text), ',')) {
    const std::string_view word(part);
    if (word.starts_with(kUnit) && word.size() > kUnit.size()) {
      process.units = UnitsAround(processes, std::string(word.substr(kUnit.size())));
    } else if (word.starts_with(kUser) && word.size() > kUser.size()) {
      const std::string user(word.substr(kUser.size()));
      process.user = policy::UserNumber(processes, user);
      if (!process.user) return Fail(ErrorKind::kNotFound, std::format("this host has no user {}", user));
    } else {
      return Fail(ErrorKind::kInvalid, std::format("{}: a process is unit:NAME, user:NAME or unit:NAME,user:NAME", text));
    }
  }
  return process;
}

// What the kernel would choose for a process that leaves it to the kernel.
std::optional<IpAddress> OwnAddress(const state::Host& host, Family family) {
  const state::HostRoute* route = host.DefaultRoute(family);
  return route == nullptr ? std::nullopt : host.AddressOn(route->device, family);
}

}  // namespace

Result<FlowSource> SourceOf(const Core& core, const std::string& text, Family family) {
  const agent::Agent& agent = core.agent();
  if (auto address = IpAddress::Parse(text)) {
    if (address->family() != family) return Fail(ErrorKind::kInvalid, text + " and the destination are not of one family");
    return FlowSource{.address = *address, .process = std::nullopt};
  }
  if (text.starts_with(kUnit) || text.starts_with(kUser)) {
    auto process = ProcessOf(agent, text);
    if (!process) return std::unexpected(std::move(process.error()));
    const auto address = OwnAddress(core.host(), family);
    if (!address) return Fail(ErrorKind::kNotFound, std::format("this host has no {} address on its default route", ToString(family)));
    return FlowSource{.address = *address, .process = std::move(*process)};
  }
  bool known = false;
  if (agent.selection() != nullptr) {
    for (const policy::Workload* workload : agent.selection()->Workloads()) {
      if (workload->name != text && workload->namespace_ + '/' + workload->name != text) continue;
      known = true;
      const auto found = std::ranges::find(workload->addresses, family, &IpAddress::family);
      if (found != workload->addresses.end()) return FlowSource{.address = *found, .process = std::nullopt};
    }
  }
  if (known) return Fail(ErrorKind::kNotFound, std::format("workload {} has no {} address", text, ToString(family)));
  return Fail(ErrorKind::kNotFound, text + " is neither an address nor a known workload, nor unit:NAME or user:NAME");
}

std::string ToString(const std::optional<policy::Process>& process) {
  if (!process) return {};
  std::string text;
  if (!process->units.empty()) text = std::string(kUnit) + process->units.back();
  if (process->user) text += std::format("{}{}{}", text.empty() ? "" : ",", kUser, *process->user);
  return text;
}

}  // namespace egressd::daemon
