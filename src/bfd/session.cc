#include "egressd/bfd/session.h"

#include <algorithm>
#include <utility>

#include "egressd/base/error.h"

namespace egressd::bfd {
namespace {

constexpr Duration kSlow{1'000'000};  // RFC 5880 section 6.8.3: the least interval while not Up

void Check(const Timers& timers) {
  EGRESSD_ASSERT(timers.min_tx > Duration::zero() && timers.min_rx > Duration::zero() && timers.multiplier > 0);
}

}  // namespace

Session::Session(Time now, std::uint32_t discriminator, const Timers& timers, std::uint64_t seed)
    : random_(seed), discriminator_(discriminator), timers_(timers), last_sent_(now), next_send_(now) {
  EGRESSD_ASSERT(discriminator != 0);
  Check(timers);
  desired_min_tx_ = min_tx_in_use_ = std::max(timers.min_tx, kSlow);
  required_min_rx_ = min_rx_in_use_ = timers.min_rx;
  planned_with_ = transmit_interval();
}

// ---- time ----

Duration Session::detection_time() const {
  if (!heard_) return Duration::max();
  return remote_.multiplier * std::max(min_rx_in_use_, remote_.desired_min_tx);
}

void Session::Forgive(Time now, Duration late) {
  if (heard_) last_received_ = std::min(now, *last_received_ + late);
}

Time Session::Deadline() const { return heard_ ? *last_received_ + detection_time() : kNever; }

std::optional<Duration> Session::transmit_interval() const {
  if (remote_.required_min_rx == Duration::zero()) return std::nullopt;
  const bool polling = poll_ == Poll::kWanted || poll_ == Poll::kRunning;
  if (remote_.demand && state_ == State::kUp && remote_.state == State::kUp && !polling) return std::nullopt;
  return std::max(min_tx_in_use_, remote_.required_min_rx);
}

Time Session::NextTimer() const { return std::min(next_send_, Deadline()); }

Duration Session::Jittered(Duration interval) {
  const auto full = interval.count();
  const auto least = full - full / 4;
  const auto most = std::max(least, timers_.multiplier == 1 ? full * 9 / 10 : full);
  return Duration(least + static_cast<Duration::rep>(random_.Below(static_cast<std::uint64_t>(most - least) + 1)));
}

void Session::Replan(Time now) {
  const auto interval = transmit_interval();
  if (interval == planned_with_) return;
  planned_with_ = interval;
  next_send_ = interval ? std::max(now, last_sent_ + Jittered(*interval)) : kNever;
}

void Session::Advance(Time now) {
  if (now >= Deadline()) {
    if (state_ == State::kInit || state_ == State::kUp) {
      Enter(State::kDown, Diagnostic::kDetectionTimeExpired);
      // Still with the peer's discriminator: if only its packets are lost, it has to believe this one. (FRR, while Up, passes over a packet
      // without.)
      Send(now);
    }
    remote_ = {};
    heard_ = false;
    Replan(now);
  }
  if (now >= next_send_) Send(now);
}

// ---- sending ----

std::vector<Packet> Session::TakeOutgoing() { return std::exchange(outgoing_, {}); }

Packet Session::Content() const {
  return {.diagnostic = diagnostic_,
          .state = state_,
          .multiplier = timers_.multiplier,
          .my_discriminator = discriminator_,
          .your_discriminator = remote_.discriminator,
          .desired_min_tx = desired_min_tx_,
          .required_min_rx = required_min_rx_};
}

void Session::Send(Time now) {
  const auto interval = transmit_interval();
  planned_with_ = interval;
  if (!interval) {
    next_send_ = kNever;
    return;
  }
  if (poll_ == Poll::kWanted) poll_ = Poll::kRunning;
  Packet packet = Content();
  packet.poll = poll_ == Poll::kRunning;
  outgoing_.push_back(packet);
  last_sent_ = now;
  next_send_ = now + Jittered(*interval);
}

// Neither waits for the transmission timer nor moves it (6.8.7).
void Session::SendFinal() {
  Packet packet = Content();
  packet.final = true;
  outgoing_.push_back(packet);
}

// ---- receiving, in the order of section 6.8.6 ----

void Session::Receive(Time now, const Packet& packet) {
  remote_ = {.state = packet.state,
             .diagnostic = packet.diagnostic,
             .discriminator = packet.my_discriminator,
             .multiplier = packet.multiplier,
             .demand = packet.demand,
             .desired_min_tx = packet.desired_min_tx,
             .required_min_rx = packet.required_min_rx};
  if (state_ != State::kAdminDown) {
    last_received_ = now;
    heard_ = true;
  }
  if (packet.final && poll_ == Poll::kRunning) {
    EndPoll();
  } else if (!packet.final && poll_ == Poll::kSettling) {
    Settle();
  }
  if (state_ == State::kAdminDown) {
    Replan(now);
    return;
  }
  const State before = state_;
  Follow(packet);
  if (packet.poll) {
    // The answer tells a change of state as well.
    SendFinal();
    Replan(now);
  } else if (state_ != before) {
    Send(now);
  } else {
    Replan(now);
  }
}

// The state machine of section 6.2.
void Session::Follow(const Packet& packet) {
  if (packet.state == State::kAdminDown) {
    if (state_ != State::kDown) Enter(State::kDown, Diagnostic::kNeighborDown);
    return;
  }
  switch (state_) {
    case State::kDown:
      if (packet.state == State::kDown) Enter(State::kInit, diagnostic_);
      if (packet.state == State::kInit) Enter(State::kUp, Diagnostic::kNone);
      break;
    case State::kInit:
      if (packet.state == State::kInit || packet.state == State::kUp) Enter(State::kUp, Diagnostic::kNone);
      break;
    case State::kUp:
      if (packet.state == State::kDown) Enter(State::kDown, Diagnostic::kNeighborDown);
      break;
    case State::kAdminDown: break;
  }
}

void Session::Enter(State state, Diagnostic diagnostic) {
  state_ = state;
  diagnostic_ = diagnostic;
  if (waiting_timers_) timers_ = *std::exchange(waiting_timers_, std::nullopt);
  ApplyTimers();
}

void Session::Disable(Time now) {
  if (state_ == State::kAdminDown) return;
  Enter(State::kAdminDown, Diagnostic::kAdministrativelyDown);
  Send(now);
}

// ---- timers and polls (6.5, 6.8.3) ----

void Session::Change(Time now, const Timers& timers) {
  Check(timers);
  // While Up, what is said must not change under a poll: its Final would confirm something that the peer may not have read.
  if (state_ == State::kUp && poll_ != Poll::kIdle) {
    waiting_timers_ = timers;
    return;
  }
  const bool other_multiplier = timers.multiplier != timers_.multiplier;
  timers_ = timers;
  ApplyTimers();
  // A peer in demand mode would not hear of it otherwise (6.6).
  if (other_multiplier && remote_.demand) AskForPoll();
  Replan(now);
}

void Session::ApplyTimers() {
  const bool up = state_ == State::kUp;
  const Duration desired = up ? timers_.min_tx : std::max(timers_.min_tx, kSlow);
  const bool changed = desired != desired_min_tx_ || timers_.min_rx != required_min_rx_;
  desired_min_tx_ = desired;
  required_min_rx_ = timers_.min_rx;
  // Slower sending and earlier detection wait until the peer has confirmed.
  min_tx_in_use_ = up ? std::min(min_tx_in_use_, desired_min_tx_) : desired_min_tx_;
  min_rx_in_use_ = up ? std::max(min_rx_in_use_, required_min_rx_) : required_min_rx_;
  if (changed) AskForPoll();
}

void Session::AskForPoll() {
  if (poll_ == Poll::kIdle) {
    poll_ = Poll::kWanted;
  } else if (poll_ != Poll::kWanted) {
    poll_again_ = true;
  }
}

void Session::EndPoll() {
  poll_ = Poll::kSettling;
  min_tx_in_use_ = desired_min_tx_;
  min_rx_in_use_ = required_min_rx_;
}

void Session::Settle() {
  poll_ = Poll::kIdle;
  if (std::exchange(poll_again_, false)) AskForPoll();
  if (waiting_timers_) {
    timers_ = *std::exchange(waiting_timers_, std::nullopt);
    ApplyTimers();
  }
}

}  // namespace egressd::bfd
