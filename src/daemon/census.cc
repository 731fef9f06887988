#include "daemon/census.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "daemon/log.h"
#include "egressd/base/fd.h"
#include "egressd/kernel/conntrack.h"
#include "egressd/plan/plan.h"

namespace egressd::daemon {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17;

Result<Fd> OpenEvents(int flags) {
  Fd fd(::eventfd(0, EFD_CLOEXEC | flags));
  if (!fd.is_open()) return std::unexpected(SystemError("eventfd", errno));
  return fd;
}

void Notify(const Fd& fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd.get(), &one, sizeof one);  // fails only when it is readable anyway
}

bool Drain(const Fd& fd) {
  std::uint64_t count = 0;
  return ::read(fd.get(), &count, sizeof count) == sizeof count;
}

}  // namespace

void TrackedCounter::Add(const kernel::Connection& connection) {
  const std::uint16_t decision = plan::DecisionIn(connection.mark);
  ++tracked_.by_decision[decision];
  if (decision == 0 || decision == kDirectMark) return;
  ++tracked_.translated[connection.translated_source].connections;
  if (connection.protocol != kTcp && connection.protocol != kUdp) return;
  towards_.push_back({.source = connection.translated_source,
                      .destination = connection.destination,
                      .protocol = connection.protocol,
                      .port = connection.destination_port});
}

Tracked TrackedCounter::Finish() {
  std::ranges::sort(towards_);
  for (auto begin = towards_.begin(); begin != towards_.end();) {
    const auto end = std::find_if(begin, towards_.end(), [&](const Towards& other) { return other != *begin; });
    std::size_t& most = tracked_.translated[begin->source].most_ports;
    most = std::max(most, static_cast<std::size_t>(end - begin));
    begin = end;
  }
  towards_.clear();
  return std::exchange(tracked_, {});
}

struct Census::Body {
  Body(kernel::Conntrack the_conntrack, Fd the_wanted, Fd the_ready)
      : conntrack(std::move(the_conntrack)), wanted(std::move(the_wanted)), ready(std::move(the_ready)) {}
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() {
    stopping = true;
    Notify(wanted);
    if (thread.joinable()) thread.join();
    delete result.exchange(nullptr);
  }

  // ---- the thread's
  void Work() {
    const sched_param none{.sched_priority = 0};
    ::pthread_setschedparam(::pthread_self(), SCHED_OTHER, &none);
    while (Drain(wanted) && !stopping) {
      TrackedCounter counter;
      const auto read = conntrack.ForEach([&](const kernel::Connection& connection) { counter.Add(connection); });
      auto* made = new Result<Tracked>(counter.Finish());
      if (!read) *made = std::unexpected(read.error());
      delete result.exchange(made);
      Notify(ready);
    }
  }
  kernel::Conntrack conntrack;
  Fd wanted;                                     // blocks
  // ---- both
  std::atomic<bool> stopping = false;
  std::atomic<Result<Tracked>*> result = nullptr;
  Fd ready;                                      // does not block
  // ---- the loop's
  std::thread thread;
  bool under_way = false;
  std::vector<Done> waiting;
  std::shared_ptr<const Tracked> last;
  Time last_at{};
};

Census::Census(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Census::Census(Census&&) noexcept = default;
Census& Census::operator=(Census&&) noexcept = default;
Census::~Census() = default;

Result<Census> Census::Open() {
  auto conntrack = kernel::Conntrack::Open();
  if (!conntrack) return std::unexpected(std::move(conntrack.error()));
  auto wanted = OpenEvents(0), ready = OpenEvents(EFD_NONBLOCK);
  if (!wanted || !ready) return std::unexpected(wanted ? ready.error() : wanted.error());
  auto body = std::make_unique<Body>(std::move(*conntrack), std::move(*wanted), std::move(*ready));
  // Signals are the loop's; the thread inherits the mask.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<void> started;
  try {
    body->thread = std::thread([work = body.get()] { work->Work(); });
  } catch (const std::system_error& error) {
    started = std::unexpected(SystemError("thread that counts connections", error.code().value()));
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) return std::unexpected(std::move(started.error()));
  return Census(std::move(body));
}

void Census::Ask(Time now, Done done) {
  if (body_->last && now - body_->last_at < kFresh) return done(body_->last);
  body_->waiting.push_back(std::move(done));
  if (std::exchange(body_->under_way, true)) return;
  Notify(body_->wanted);
}

int Census::fd() const { return body_->ready.get(); }

void Census::Take(Time now) {
  if (!body_->under_way || !Drain(body_->ready)) return;
  const std::unique_ptr<Result<Tracked>> made(body_->result.exchange(nullptr));
  if (made == nullptr) return;
  body_->under_way = false;
  body_->last.reset();
  if (*made) {
    body_->last = std::make_shared<const Tracked>(std::move(**made));
    body_->last_at = now;
  } else {
    Warn("connection tracking: " + made->error().message);
  }
  const std::shared_ptr<const Tracked> last = body_->last;
  for (const Done& done : std::exchange(body_->waiting, {})) done(last);
}

}  // namespace egressd::daemon
