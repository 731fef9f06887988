// The one thread's loop over sd-event, and what systemd is told about it.
//
// 1. Everything that is registered lives as long as the loop.
// 2. systemd's watchdog is fed from the loop itself: a loop that hangs stops feeding it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "egressd/base/error.h"
#include "egressd/base/time.h"

namespace egressd::daemon {

class EventLoop {
 public:
  using Action = std::function<void()>;

  static Result<EventLoop> Open();
  EventLoop(EventLoop&&) noexcept;
  EventLoop& operator=(EventLoop&&) noexcept;
  ~EventLoop();

  // Whenever `fd` is readable.
  Result<void> OnReadable(int fd, Action action);
  // The signal is blocked from now on and only seen here.
  Result<void> OnSignal(int signal, Action action);
  // Once `SetTimer` is due.
  Result<void> OnTimer(Action action);
  // After each round in which anything else happened.
  Result<void> OnRoundEnd(Action action);
  void SetTimer(Time due);  // kNever = not at all

  // Until Stop.
  Result<void> Run();
  void Stop();

  static Time Now();

 private:
  struct Body;
  explicit EventLoop(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

// sd_notify(3): "READY=1", "STATUS=…", … ; nothing happens without $NOTIFY_SOCKET.
void NotifySystemd(const std::string& lines);
// "RELOADING=1" with the time that Type=notify-reload wants.
void NotifyReloading();

}  // namespace egressd::daemon
