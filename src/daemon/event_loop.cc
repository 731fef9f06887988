#include "daemon/event_loop.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include <format>
#include <list>

namespace egressd::daemon {

namespace {

constexpr std::uint64_t kTimerAccuracyUsec = 250;  // heartbeats come every 10 ms

int Readable(sd_event_source* /*source*/, int /*fd*/, std::uint32_t /*events*/, void* action) {
  (*static_cast<EventLoop::Action*>(action))();
  return 0;
}
int Signalled(sd_event_source* /*source*/, const signalfd_siginfo* /*signal*/, void* action) {
  (*static_cast<EventLoop::Action*>(action))();
  return 0;
}
int Due(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* action) {
  (*static_cast<EventLoop::Action*>(action))();
  return 0;
}
int RoundEnded(sd_event_source* /*source*/, void* action) {
  (*static_cast<EventLoop::Action*>(action))();
  return 0;
}

Result<void> Checked(int status, const char* what) {
  if (status < 0) return std::unexpected(SystemError(what, -status));
  return {};
}

}  // namespace

struct EventLoop::Body {
  sd_event* event = nullptr;
  sd_event_source* timer = nullptr;
  std::list<Action> actions;  // a list: their addresses are handed out

  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() {
    sd_event_source_unref(timer);
    sd_event_unref(event);
  }
};

EventLoop::EventLoop(std::unique_ptr<Body> body) : body_(std::move(body)) {}
EventLoop::EventLoop(EventLoop&&) noexcept = default;
EventLoop& EventLoop::operator=(EventLoop&&) noexcept = default;
EventLoop::~EventLoop() = default;

Result<EventLoop> EventLoop::Open() {
  auto body = std::make_unique<Body>();
  int status = sd_event_new(&body->event);
  if (status >= 0) status = sd_event_set_watchdog(body->event, 1);
  if (status < 0) return std::unexpected(SystemError("event loop", -status));
  return EventLoop(std::move(body));
}

Result<void> EventLoop::OnReadable(int fd, Action action) {
  body_->actions.push_back(std::move(action));
  return Checked(sd_event_add_io(body_->event, nullptr, fd, EPOLLIN, Readable, &body_->actions.back()), "watch a descriptor");
}

Result<void> EventLoop::OnSignal(int signal, Action action) {
  body_->actions.push_back(std::move(action));
  return Checked(sd_event_add_signal(body_->event, nullptr, signal | SD_EVENT_SIGNAL_PROCMASK, Signalled, &body_->actions.back()),
                 "watch a signal");
}

Result<void> EventLoop::OnTimer(Action action) {
  body_->actions.push_back(std::move(action));
  int status = sd_event_add_time(body_->event, &body_->timer, CLOCK_MONOTONIC, UINT64_MAX, kTimerAccuracyUsec, Due, &body_->actions.back());
  if (status >= 0) status = sd_event_source_set_enabled(body_->timer, SD_EVENT_OFF);
  return Checked(status, "timer");
}

Result<void> EventLoop::OnRoundEnd(Action action) {
  body_->actions.push_back(std::move(action));
  return Checked(sd_event_add_post(body_->event, nullptr, RoundEnded, &body_->actions.back()), "round");
}

void EventLoop::SetTimer(Time due) {
  if (due == kNever) {
    sd_event_source_set_enabled(body_->timer, SD_EVENT_OFF);
    return;
  }
  const auto usec = std::max<Duration::rep>(due.time_since_epoch().count(), 0);
  sd_event_source_set_time(body_->timer, static_cast<std::uint64_t>(usec));
  sd_event_source_set_enabled(body_->timer, SD_EVENT_ONESHOT);
}

Result<void> EventLoop::Run() { return Checked(sd_event_loop(body_->event), "event loop"); }
void EventLoop::Stop() { sd_event_exit(body_->event, 0); }

Time EventLoop::Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Time(Duration(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
}

void NotifySystemd(const std::string& lines) { sd_notify(0, lines.c_str()); }
void NotifyReloading() {
  NotifySystemd(std::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading", EventLoop::Now().time_since_epoch().count()));
}

}  // namespace egressd::daemon
