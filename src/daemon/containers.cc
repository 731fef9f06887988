#include "daemon/containers.h"

#include <poll.h>

#include <algorithm>
#include <cstddef>
#include <format>
#include <utility>

#include "daemon/event_loop.h"
#include "daemon/log.h"

namespace egressd::daemon {

namespace {

constexpr std::size_t kAtOnce = 16;  // containers

// Where the engines put their sockets.
const std::vector<std::string> kDockerSockets{"/run/docker.sock", "/var/run/docker.sock"};
const std::vector<std::string> kPodmanSockets{"/run/podman/podman.sock"};

discover::Engine::Settings SettingsOf(const policy::EngineSocket& socket, const std::vector<std::string>& usual) {
  using Need = discover::Engine::Need;
  if (socket.use == policy::EngineSocket::Use::kPath) return {.sockets = {socket.path}, .need = Need::kAlways, .not_this = {}};
  return {.sockets = usual, .need = Need::kIfThere, .not_this = {}};
}

}  // namespace

Result<Containers> Containers::Open(const policy::NodeConfig& config) {
  using Use = policy::EngineSocket::Use;
  Containers containers;
  const auto open = [&](std::string name, discover::Engine::Settings settings) -> Result<void> {
    auto engine = discover::Engine::Open(std::move(settings));
    if (!engine) return std::unexpected(std::move(engine.error()));
    containers.engines_.push_back({.name = std::move(name), .engine = std::move(*engine), .told = {}});
    return {};
  };
  auto podman = SettingsOf(config.podman, kPodmanSockets);
  auto docker = SettingsOf(config.docker, kDockerSockets);
  // podman-docker makes /run/docker.sock a link to podman's.
  if (config.podman.use != Use::kOff && config.docker.use == Use::kAuto) docker.not_this = podman.sockets.front();
  Result<void> opened;
  if (config.docker.use != Use::kOff) opened = open("docker", std::move(docker));
  if (opened && config.podman.use != Use::kOff) opened = open("podman", std::move(podman));
  if (!opened) return std::unexpected(std::move(opened.error()));
  return containers;
}

std::vector<int> Containers::fds() const {
  std::vector<int> fds;
  for (const Followed& followed : engines_) fds.push_back(followed.engine.fd());
  return fds;
}

void Containers::OnReady() {
  for (Followed& followed : engines_) followed.engine.OnReady(EventLoop::Now());
  Tell();
}

void Containers::OnTimer() {
  const Time now = EventLoop::Now();
  for (Followed& followed : engines_) {
    if (followed.engine.NextTimer() <= now) followed.engine.OnTimer(now);
  }
  Tell();
}

Time Containers::NextTimer() const {
  Time next = kNever;
  for (const Followed& followed : engines_) next = std::min(next, followed.engine.NextTimer());
  return next;
}

void Containers::Await(Duration at_most) {
  const Time end = EventLoop::Now() + at_most;
  OnTimer();
  while (!std::ranges::all_of(engines_, [](const Followed& followed) { return followed.engine.is_settled(); })) {
    const Time now = EventLoop::Now();
    if (now >= end) return;
    std::vector<pollfd> waiting;
    for (const int fd : fds()) waiting.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(Duration{0}, std::min(end, NextTimer()) - now));
    ::poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
    OnReady();
    OnTimer();
  }
}

bool Containers::has_changes() const {
  return std::ranges::any_of(engines_, [](const Followed& followed) { return followed.engine.has_changes(); });
}

std::vector<agent::WorkloadsChanged> Containers::Take() {
  std::vector<agent::WorkloadsChanged> changes;
  for (Followed& followed : engines_) {
    for (discover::ContainerChange& change : followed.engine.Take(kAtOnce)) {
      // Behind "workloads.d/…" in order: what the operator wrote about an address wins.
      changes.push_back({.source = std::format("workloads.{}/{}", followed.name, change.id), .workloads = {}});
      if (change.workload) changes.back().workloads.push_back(std::move(*change.workload));
    }
  }
  return changes;
}

// Each trouble once, and its end.
void Containers::Tell() {
  for (Followed& followed : engines_) {
    const auto trouble = followed.engine.trouble();
    std::string text = trouble ? std::format("no answer ({})", trouble->message) : "";
    if (!trouble && followed.engine.was_reached() && followed.engine.is_settled()) text = "follows " + followed.engine.socket();
    if (text.empty() || text == followed.told) continue;
    (trouble ? Warn : Info)(std::format("{}: {}", followed.name, text));
    followed.told = std::move(text);
  }
}

std::vector<Containers::Provider> Containers::providers() const {
  std::vector<Provider> out;
  for (const Followed& followed : engines_) {
    const bool up = followed.engine.was_reached() && !followed.engine.trouble();
    if (up || followed.engine.trouble()) out.push_back({.name = followed.name, .up = up, .workloads = followed.engine.known()});
  }
  return out;
}

std::vector<agent::Health> Containers::health() const {
  std::vector<agent::Health> out;
  for (const Followed& followed : engines_) {
    const auto trouble = followed.engine.trouble();
    if (!trouble) continue;
    const bool forbidden = trouble->kind == ErrorKind::kPermission;
    out.push_back({.code = "W158",
                   .object = followed.name,
                   .text = std::format("the engine does not answer ({}): what it said last stays in force ({} containers)",
                                       trouble->message, followed.engine.known()),
                   .hint = forbidden ? std::format("let egressd use {}, or write workloads.{}: off; see egressd.yaml(5)",
                                                   followed.engine.socket(), followed.name)
                                     : std::format("start {}, or write workloads.{}: off; it is tried again every few seconds",
                                                   followed.name, followed.name)});
  }
  return out;
}

}  // namespace egressd::daemon
