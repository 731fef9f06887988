#include "egressd/net/health.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <utility>

#include "egressd/base/duration.h"
#include "net/attempt.h"

namespace egressd::net {
namespace {

std::string NameOf(const policy::HealthCheck& check) {
  switch (check.kind) {
    case policy::HealthCheck::Kind::kTcp:
      return std::format("tcp {}", check.target.ToString());
    case policy::HealthCheck::Kind::kIcmp:
      return std::format("icmp {}", check.target.address.ToString());
    case policy::HealthCheck::Kind::kHttp:
      break;
  }
  return std::format("http http://{}{}", check.host, check.path);
}

Duration LongestOf(const policy::HealthCheck& check) { return std::min(check.every, kLongestAttempt); }

}  // namespace

struct HealthChecker::Watched {
  std::string gateway;
  std::optional<std::string> device;
  policy::HealthCheck check;
  Time due;                          // of the next attempt
  std::unique_ptr<Attempt> attempt;  // nullptr = idle
  std::uint32_t events = 0;          // what epoll waits for, while there is an attempt
  Time deadline;                     // of the attempt
  unsigned failures = 0;             // in a row, no further than `fail`
  std::string text;                  // why it is bad; empty = it is good
};

HealthChecker::HealthChecker(Fd epoll) : epoll_(std::move(epoll)) {}
HealthChecker::HealthChecker(HealthChecker&&) noexcept = default;
HealthChecker& HealthChecker::operator=(HealthChecker&&) noexcept = default;
HealthChecker::~HealthChecker() = default;

Result<HealthChecker> HealthChecker::Open() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return std::unexpected(SystemError("epoll for health checks", errno));
  return HealthChecker(std::move(epoll));
}

void HealthChecker::Watch(Time now, const std::vector<GatewayChecks>& gateways) {
  std::map<std::uint64_t, Watched> before = std::exchange(watched_, {});
  running_ = 0;
  std::map<std::string, GatewayHealth> taken;
  for (const GatewayChecks& gateway : gateways) {
    const auto known = taken_.find(gateway.gateway);
    taken[gateway.gateway] = known == taken_.end() ? GatewayHealth{.gateway = gateway.gateway} : known->second;
    for (const policy::HealthCheck& check : gateway.checks) {
      const auto same = std::ranges::find_if(
          before, [&](const auto& entry) { return entry.second.gateway == gateway.gateway && entry.second.check == check; });
      if (same == before.end()) {
        watched_.emplace(++last_id_, Watched{.gateway = gateway.gateway, .device = gateway.device, .check = check, .due = now});
        continue;
      }
      Watched& kept = watched_.emplace(same->first, std::move(same->second)).first->second;
      before.erase(same);
      if (kept.device != gateway.device) {
        // An attempt on the former way says nothing about the new one.
        kept.device = gateway.device;
        kept.attempt.reset();
        kept.due = now;
      }
      if (kept.attempt) ++running_;
    }
  }
  taken_ = std::move(taken);
}

void HealthChecker::Start(std::uint64_t id, Watched& watched, Time now) {
  // An interval that was missed, because this process was busy or stopped, is not made up for.
  watched.due += watched.check.every;
  if (watched.due <= now) watched.due = now + watched.check.every;
  const auto started = [&] {
    switch (watched.check.kind) {
      case policy::HealthCheck::Kind::kTcp:
        return StartTcp(watched.check, watched.device);
      case policy::HealthCheck::Kind::kIcmp:
        return StartIcmp(watched.check, watched.device, ++last_id_);
      case policy::HealthCheck::Kind::kHttp:
        break;
    }
    return StartHttp(watched.check, watched.device);
  };
  auto attempt = started();
  if (!attempt) return Finish(watched, std::move(attempt.error()));
  watched.attempt = std::move(*attempt);
  watched.deadline = now + LongestOf(watched.check);
  watched.events = 0;
  ++running_;
  Await(id, watched);
}

void HealthChecker::Await(std::uint64_t id, Watched& watched) {
  const std::uint32_t events = watched.attempt->events();
  if (events == watched.events) return;
  epoll_event event{.events = events, .data = {.u64 = id}};
  const int operation = watched.events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  watched.events = events;
  // Without memory for it the deadline still comes, and looks for the answer.
  ::epoll_ctl(epoll_.get(), operation, watched.attempt->fd(), &event);
}

void HealthChecker::Advance(std::uint64_t id, Watched& watched) {
  const std::optional<Outcome> outcome = watched.attempt->Advance();
  if (!outcome) return Await(id, watched);
  Finish(watched, *outcome ? std::nullopt : std::optional(outcome->error()));
}

void HealthChecker::Finish(Watched& watched, std::optional<std::string> failure) {
  if (watched.attempt) {
    watched.attempt.reset();
    --running_;
  }
  if (!failure) {
    watched.failures = 0;
    watched.text.clear();
    return;
  }
  if (watched.failures >= watched.check.fail) return;  // bad already, and told why
  if (++watched.failures < watched.check.fail) return;
  watched.text = std::format("{}: {}", NameOf(watched.check), *failure);
  if (watched.failures > 1) watched.text += std::format(", {} times in a row", watched.failures);
}

void HealthChecker::OnReady() {
  std::array<epoll_event, kMostAttempts> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;  // a copy: the structure is packed
    const auto found = watched_.find(id);
    if (found != watched_.end() && found->second.attempt) Advance(id, found->second);
  }
}

void HealthChecker::OnTimer(Time now) {
  std::vector<std::pair<Time, std::uint64_t>> due;
  for (auto& [id, watched] : watched_) {
    if (watched.attempt && watched.deadline <= now) {
      Advance(id, watched);
      if (watched.attempt) Finish(watched, std::format("no answer within {}", FormatDuration(LongestOf(watched.check))));
    }
    if (!watched.attempt && watched.due <= now) due.emplace_back(watched.due, id);
  }
  std::ranges::sort(due);
  for (const auto& [time, id] : due) {
    if (running_ >= kMostAttempts) break;
    Start(id, watched_.at(id), now);
  }
}

Time HealthChecker::NextTimer() const {
  Time next = kNever;
  for (const auto& [id, watched] : watched_) {
    if (watched.attempt) {
      next = std::min(next, watched.deadline);
    } else if (running_ < kMostAttempts) {
      next = std::min(next, watched.due);
    }
  }
  return next;
}

std::vector<GatewayHealth> HealthChecker::Take() {
  std::map<std::string, GatewayHealth> current;
  for (const auto& [gateway, health] : taken_) current[gateway] = {.gateway = gateway};
  for (const auto& [id, watched] : watched_) {
    if (watched.text.empty()) continue;
    GatewayHealth& health = current.at(watched.gateway);
    health.text += (health.healthy ? "" : "; ") + watched.text;
    health.healthy = false;
  }
  std::vector<GatewayHealth> changed;
  for (const auto& [gateway, health] : current) {
    if (health != taken_.at(gateway)) changed.push_back(health);
  }
  taken_ = std::move(current);
  return changed;
}

}  // namespace egressd::net
