#include "egressd/kernel/kernel.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "egressd/base/fd.h"
#include "kernel/address_memory.h"
#include "kernel/commit.h"
#include "kernel/drift.h"
#include "kernel/nft.h"
#include "kernel/observe.h"
#include "kernel/route_socket.h"
#include "kernel/sysctl.h"

namespace egressd::kernel {
namespace {

using state::Step;
using state::Transaction;

constexpr int kRounds = 5;

enum class OnError { kStop, kGoOn };
enum class Outcome { kDone, kAgain };  // kAgain: what is in force must be observed anew before the rest

bool IsLink(const Step& step) {
  return std::holds_alternative<state::Link>(step.object) || std::holds_alternative<state::Vlan>(step.object);
}

// With the last IPv4 address of a device the kernel drops its IPv4 routes and neighbours, and with a primary address its secondaries,
// all without a notification (fib_disable_ip, inet_del_ifa).
bool MayTakeRoutesAlong(const Step& step, const state::State& believed) {
  if (step.operation != state::Operation::kRemove) return false;
  std::string device;
  if (const auto* address = std::get_if<state::Address>(&step.object)) device = address->key.device;
  if (const auto* address = std::get_if<state::EgressAddress>(&step.object)) device = address->key.device;
  return !device.empty() && std::ranges::any_of(believed.routes, [&](const auto& entry) { return entry.second.device == device; });
}

// The kernel forgets default routes learned from router advertisements when forwarding is switched on, unless accept_ra was 2 before.
bool GoesFirst(const Step& step) {
  const auto* const sysctl = std::get_if<state::Sysctl>(&step.object);
  return sysctl != nullptr && sysctl->key.path.ends_with("/accept_ra");
}

// What ran out or was given up on the way stays so: nothing makes a lease longer but a step that was decided in time.
void KeepLeasesOf(const state::State& believed, state::State& target) {
  std::erase_if(target.elements, [&](auto& entry) {
    if (!entry.second.timeout) return false;
    const auto found = believed.elements.find(entry.first);
    if (found != believed.elements.end()) entry.second = found->second;
    return found == believed.elements.end();
  });
}

Result<Fd> WaitForBoth(int first, int second) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  for (const int fd : {first, second}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return std::unexpected(SystemError("wait for notifications", errno));
  }
  return epoll;
}

}  // namespace

struct Kernel::Body {
  Settings settings;
  RouteListener listener;
  RouteSocket socket;
  Nft nft;
  Sysctls sysctls;
  Fd epoll;
  AddressMemory memory{settings.state_directory, AddressMemory::NeedHere()};
  AddressLifetimes lifetimes;
  Committer committer{socket, sysctls, memory, lifetimes};
  Recognition recognition{.tunnel_device = settings.tunnel_device, .addresses = memory, .lifetimes = lifetimes};
  Devices devices;
  std::optional<state::State> believed;  // what is in force; unset = not known
  bool reached = false;                  // if it is known, it is what the last Reconcile was asked for, but for leases
  std::set<std::string> sysctl_paths;    // those of the last desired state
  Dirt pending;                          // taken from the sockets, not yet told

  void Absorb();
  Result<void> Observe();
  Result<Outcome> Carry(Transaction transaction, OnError on_error, Transaction& done);
  Result<Outcome> CarryLinks(const std::vector<Step>& build, OnError on_error, std::vector<Step>& done);
  Result<void> CarrySteps(const std::vector<Step>& steps, OnError on_error, std::vector<Step>& done);
  Result<void> CutOver(std::vector<Step> steps, std::vector<Step>& done);
  void Undo(const state::State& before);
};

// Takes what waits, judges it against what is believed to be in force, and stops believing where it must.
void Kernel::Body::Absorb() {
  Drift drift(recognition, devices);
  const bool complete = listener.Take([&](const nlmsghdr& message) { drift.Add(message); });
  Dirt dirt = drift.Judge(believed ? &*believed : nullptr);
  if (!complete) dirt = {.ours = true, .host = true};
  if (nft.TakeNotifications().ours) dirt.ours = true;
  if (dirt.ours) believed.reset();
  pending.ours = pending.ours || dirt.ours;
  pending.host = pending.host || dirt.host;
}

Result<void> Kernel::Body::Observe() {
  // Whatever is waiting now is part of what is about to be read; only the host has to hear of it.
  const bool was_ours = pending.ours;
  Absorb();
  pending.ours = was_ours;
  believed.reset();
  reached = false;
  state::State state;
  if (auto done = ObserveRoutes(socket, recognition, devices, state); !done) return done;
  if (auto done = nft.Observe(state); !done) return done;
  state.sysctls = sysctls.Observe(sysctl_paths);
  believed = std::move(state);
  return {};
}

Result<void> Kernel::Body::CarrySteps(const std::vector<Step>& steps, OnError on_error, std::vector<Step>& done) {
  Result<void> result;
  for (const Step& step : steps) {
    auto ran = committer.Run(step, *believed);
    if (ran) {
      state::Apply(step, *believed);
      done.push_back(step);
    } else {
      if (result) result = std::move(ran);
      if (on_error == OnError::kStop) break;
    }
  }
  return result;
}

Result<Outcome> Kernel::Body::CarryLinks(const std::vector<Step>& build, OnError on_error, std::vector<Step>& done) {
  std::vector<Step> links;
  std::ranges::copy_if(build, std::back_inserter(links), IsLink);
  if (links.empty()) return Outcome::kDone;
  if (auto carried = CarrySteps(links, on_error, done); !carried) return std::unexpected(carried.error());
  believed.reset();  // what depended on the device went with it, and its going up is announced in several messages
  return Outcome::kAgain;
}

Result<void> Kernel::Body::CutOver(std::vector<Step> steps, std::vector<Step>& done) {
  if (steps.empty()) return {};
  if (auto committed = nft.Commit(steps); !committed) return committed;
  for (const Step& step : steps) state::Apply(step, *believed);
  if (done.empty()) {
    done = std::move(steps);
  } else {
    done.insert(done.end(), std::move_iterator(steps.begin()), std::move_iterator(steps.end()));
  }
  return {};
}

Result<Outcome> Kernel::Body::Carry(Transaction transaction, OnError on_error, Transaction& done) {
  std::optional<Error> first;
  const auto failed = [&](const Result<void>& result) {
    if (!result && !first) first = result.error();
    return first && on_error == OnError::kStop;
  };
  if (failed(CarrySteps(transaction.release, on_error, done.release))) return std::unexpected(*first);
  auto links = CarryLinks(transaction.build, on_error, done.build);
  if (!links || *links == Outcome::kAgain) return links;
  std::vector<Step> build = transaction.build;
  std::ranges::stable_partition(build, GoesFirst);
  if (failed(CarrySteps(build, on_error, done.build))) return std::unexpected(*first);
  const auto cut_over = CutOver(std::move(transaction.cut_over), done.cut_over);
  if (!cut_over && cut_over.error().kind == ErrorKind::kStale) {
    believed.reset();
    return Outcome::kAgain;
  }
  if (failed(cut_over)) return std::unexpected(*first);
  if (failed(CarrySteps(transaction.take, on_error, done.take))) return std::unexpected(*first);
  if (failed(CarrySteps(transaction.clean, on_error, done.clean))) return std::unexpected(*first);
  if (first) return std::unexpected(*first);
  const auto takes_along = [&](const Step& step) { return MayTakeRoutesAlong(step, *believed); };
  if (std::ranges::any_of(transaction.release, takes_along) || std::ranges::any_of(transaction.clean, takes_along)) {
    believed.reset();
    return Outcome::kAgain;
  }
  return Outcome::kDone;
}

void Kernel::Body::Undo(const state::State& before) {
  for (int round = 0; round < kRounds; ++round) {
    if (!believed && !Observe()) break;
    Transaction done;
    state::State target = before;
    KeepLeasesOf(*believed, target);
    const auto outcome = Carry(state::Diff(*believed, target), OnError::kGoOn, done);
    if (!outcome || *outcome == Outcome::kDone) break;
  }
}

Kernel::Kernel(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

Result<Kernel> Kernel::Open(Settings settings) {
  auto listener = RouteListener::Open();
  if (!listener) return std::unexpected(listener.error());
  auto nft = Nft::Open();
  if (!nft) return std::unexpected(nft.error());
  auto socket = RouteSocket::Open();
  if (!socket) return std::unexpected(socket.error());
  auto sysctls = Sysctls::Open(settings.state_directory, settings.tunnel_device);
  if (!sysctls) return std::unexpected(sysctls.error());
  auto epoll = WaitForBoth(listener->fd(), nft->notification_fd());
  if (!epoll) return std::unexpected(epoll.error());
  return Kernel(std::unique_ptr<Body>(new Body{.settings = std::move(settings),
                                               .listener = std::move(*listener),
                                               .socket = std::move(*socket),
                                               .nft = std::move(*nft),
                                               .sysctls = std::move(*sysctls),
                                               .epoll = std::move(*epoll)}));
}

Result<state::State> Kernel::Observe() {
  if (auto done = body_->Observe(); !done) return std::unexpected(std::move(done.error()).In("observe"));
  return *body_->believed;
}

Result<state::Host> Kernel::ReadHost() {
  body_->Absorb();  // the names of devices are about to be read, so what waits is judged with the old ones
  return kernel::ReadHost(body_->socket, body_->recognition, body_->devices);
}

Result<Transaction> Kernel::Reconcile(const state::State& desired, const state::Touched& touched) {
  Body& body = *body_;
  body.Absorb();
  const bool was_reached = std::exchange(body.reached, false);
  const std::set<std::string> former_paths = std::exchange(body.sysctl_paths, {});
  for (const auto& [key, sysctl] : desired.sysctls) body.sysctl_paths.insert(key.path);
  Transaction done;
  std::optional<state::State> before;  // kept only where more than one atomic batch may have to be undone
  Result<Outcome> outcome = Outcome::kAgain;
  for (int round = 0; round < kRounds && outcome && *outcome == Outcome::kAgain; ++round) {
    // Leases end without a word.
    if (body.believed && !body.nft.ObserveLeases(*body.believed)) body.believed.reset();
    const bool believed_at_first = body.believed.has_value();
    if (!body.believed) {
      if (auto observed = body.Observe(); !observed) {
        if (observed.error().kind == ErrorKind::kStale) continue;
        outcome = std::unexpected(std::move(observed.error()).In("observe"));
        break;
      }
    }
    body.believed->sysctls = body.sysctls.Observe(body.sysctl_paths);
    const bool short_way = touched && was_reached && round == 0 && believed_at_first && body.believed->sysctls == desired.sysctls;
    Transaction transaction = short_way ? state::Diff(*body.believed, desired, *touched) : state::Diff(*body.believed, desired);
    if (transaction.empty()) {
      body.reached = true;
      return done;
    }
    if (!before && transaction.size() != transaction.cut_over.size()) before = *body.believed;
    outcome = body.Carry(std::move(transaction), OnError::kStop, done);
  }
  if (outcome && *outcome == Outcome::kDone) {
    body.reached = true;
    return done;
  }
  if (before) body.Undo(*before);
  body.sysctl_paths = former_paths;
  body.believed.reset();
  const bool was_ours = body.pending.ours;
  body.Absorb();  // the echo of what was tried and undone must not wake anybody
  body.pending.ours = was_ours;
  if (!outcome) return std::unexpected(outcome.error());
  return Fail(ErrorKind::kStale, "somebody else keeps changing the kernel's tables");
}

Result<void> Kernel::Wake(Duration at_most) {
  body_->Absorb();
  auto done = body_->nft.Wake(at_most);
  if (!done) return std::unexpected(std::move(done.error()).In("wake"));
  return done;
}

Result<void> Kernel::Renew(const state::State& desired, const std::optional<std::set<IpAddress>>& egress_ips) {
  Body& body = *body_;
  std::set<state::NftBytes> keys;
  if (egress_ips) {
    for (const IpAddress& address : *egress_ips) keys.insert(state::NftBytes::Of(address));
  }
  std::vector<Step> leases;
  for (const auto& [name, set] : desired.sets) {
    if (!set.timeouts) continue;
    auto entry = desired.elements.lower_bound({.set = name, .first = {}, .last = {}});
    for (; entry != desired.elements.end() && entry->first.set == name; ++entry) {
      const bool meant = !egress_ips || keys.contains(entry->first.first);
      if (entry->second.timeout && meant) leases.push_back({state::Operation::kReplace, entry->second});
    }
  }
  if (leases.empty()) return {};
  body.Absorb();
  if (auto renewed = body.nft.Renew(leases); !renewed) {
    body.believed.reset();
    return std::unexpected(std::move(renewed.error()).In("renew"));
  }
  if (body.believed) {
    for (const Step& step : leases) state::Apply(step, *body.believed);
  }
  return {};
}

Result<void> Kernel::Prolong(std::span<const state::EgressAddress> addresses) {
  for (const state::EgressAddress& address : addresses) {
    if (auto prolonged = body_->committer.Prolong(address); !prolonged) {
      body_->believed.reset();
      return prolonged;
    }
  }
  return {};
}

int Kernel::notification_fd() const { return body_->epoll.get(); }

Kernel::Dirt Kernel::TakeNotifications() {
  body_->Absorb();
  return std::exchange(body_->pending, {});
}

std::uint64_t Kernel::CounterPackets(const std::string& counter) { return body_->nft.CounterPackets(counter); }

Result<void> Kernel::AddCounts(const std::string& set, CountsByMark& into) { return body_->nft.AddCounts(set, into); }

Result<Transaction> Kernel::Cleanup() {
  Body& body = *body_;
  body.sysctl_paths.clear();
  body.reached = false;
  Transaction done;
  for (int round = 0; round < kRounds; ++round) {
    if (auto observed = body.Observe(); !observed) return std::unexpected(std::move(observed.error()).In("observe"));
    auto outcome = body.Carry(state::Diff(*body.believed, {}), OnError::kGoOn, done);
    if (!outcome) return std::unexpected(std::move(outcome.error()).In("clean up"));
    if (*outcome == Outcome::kDone) return done;
  }
  return Fail(ErrorKind::kStale, "somebody else keeps changing the kernel's tables");
}

Result<Transaction> Kernel::ReleaseEgressAddresses() {
  Body& body = *body_;
  body.Absorb();
  state::State found;
  auto observed = ObserveEgressAddresses(body.socket, body.recognition, body.devices, found);
  if (!observed) return std::unexpected(std::move(observed.error()).In("observe"));
  Transaction done;
  std::optional<Error> first;
  for (const auto& [key, address] : found.egress_addresses) {
    const Step step{state::Operation::kRemove, address};
    if (auto ran = body.committer.Run(step, found); ran) {
      done.release.push_back(step);
    } else if (!first) {
      first = std::move(ran.error());
    }
  }
  body.believed.reset();
  if (first) return std::unexpected(std::move(*first));
  return done;
}

}  // namespace egressd::kernel
