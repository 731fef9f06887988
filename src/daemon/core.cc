#include "daemon/core.h"

#include <algorithm>
#include <format>
#include <map>
#include <string>
#include <vector>

#include "daemon/event_loop.h"
#include "daemon/log.h"
#include "egressd/control/files.h"
#include "egressd/kernel/announce.h"
#include "egressd/kernel/conntrack.h"
#include "egressd/plan/plan.h"

namespace egressd::daemon {

namespace {

using std::chrono::milliseconds;

// One deletion by hand comes as several notifications; they are answered together.
constexpr Duration kGather = milliseconds(5);
constexpr Duration kShortestBetweenRepairs = milliseconds(10);
constexpr Duration kLongestBetweenRepairs = milliseconds(100);
constexpr Duration kPeace = milliseconds(2000);  // after so long without a repair the next one is at once again
constexpr Duration kAfterFailure = milliseconds(1000);
constexpr int kDatagramsAtOnce = 256;

}  // namespace

Core::Core(agent::Agent agent, kernel::Kernel kernel, std::optional<net::UdpSocket> socket, Files files, Journal& journal)
    : agent_(std::move(agent)),
      kernel_(std::move(kernel)),
      socket_(std::move(socket)),
      files_(std::move(files)),
      journal_(&journal) {}

void Core::Feed(const agent::Input& input) { Carry(agent_.Step(EventLoop::Now(), input)); }

void Core::Apply(std::string text, std::string actor, bool only_if_new, Done done) {
  const std::uint64_t request = next_request_++;
  requests_.emplace(request, std::move(done));
  Feed(agent::ApplyPolicy{.request = request, .text = std::move(text), .actor = std::move(actor), .only_if_new = only_if_new});
}

void Core::Order(agent::KeyOrder order, KeysDone done) {
  order.request = next_request_++;
  key_requests_.emplace(order.request, std::move(done));
  Feed(order);
}

void Core::Carry(agent::Output output) {
  agent_wakes_ = output.wake_at;
  Store(output);
  if (socket_) {
    for (const agent::OutgoingDatagram& datagram : output.send) {
      if (auto sent = socket_->Send(datagram.to, datagram.bytes); !sent) Debug(sent.error().message);
    }
  }
  for (const agent::Note& note : output.notes) journal_->Add(note);
  if (output.commit) Commit(*output.commit);
  std::map<std::string, std::vector<IpAddress>> announced_on;
  for (const agent::Announcement& announcement : output.announce) announced_on[announcement.device].push_back(announcement.address);
  for (const auto& [device, addresses] : announced_on) {
    if (auto announced = kernel::Announce(addresses, device); !announced) Warn(announced.error().message);
  }
  if (output.recheck_connections) RecheckConnections();
  for (const agent::ApplyResult& result : output.results) {
    const auto found = requests_.find(result.request);
    if (found == requests_.end()) continue;
    const Done done = std::move(found->second);
    requests_.erase(found);
    done(result);
  }
  for (const agent::KeyResult& result : output.key_results) {
    const auto found = key_requests_.find(result.request);
    if (found == key_requests_.end()) continue;
    const KeysDone done = std::move(found->second);
    key_requests_.erase(found);
    done(result);
  }
}

void Core::Store(const agent::Output& output) {
  if (output.store) {
    // Unwritten, the generation is fetched from the others again after a restart, or lost with a cluster of one: worth a complaint, not a
    // halt.
    if (auto written = control::WriteFile(files_.generation, *output.store, 0600); !written)
      Complain("generation not stored: " + written.error().message);
  }
  if (!output.store_keys) return;
  keys_not_stored_.reset();
  if (auto written = control::WriteFile(files_.keys, *output.store_keys, 0600); !written) {
    Complain("key ring not stored: " + written.error().message);
    keys_not_stored_ = std::move(written.error());
  }
}

void Core::Commit(std::uint64_t revision) {
  const Time begin = EventLoop::Now();
  auto done = kernel_.Reconcile(agent_.desired());
  std::optional<Error> error;
  if (done) {
    has_committed_ = true;
    trouble_.reset();
    repair_at_ = kNever;
    if (!done->empty() && IsDebugging()) {
      Debug(std::format("revision {}: {} objects in {} us\n{}", revision, done->size(), (EventLoop::Now() - begin).count(),
                        state::ToString(*done)));
    }
  } else {
    error = std::move(done.error());
    trouble_ = error;
    Complain("kernel: " + error->message);
    if (has_committed_) repair_at_ = EventLoop::Now() + kAfterFailure;
  }
  Carry(agent_.Step(EventLoop::Now(), agent::Committed{.revision = revision, .error = std::move(error)}));
}

void Core::Repair() {
  const Time now = EventLoop::Now();
  repair_at_ = kNever;
  if (!has_committed_) return;
  auto done = kernel_.Reconcile(agent_.desired());
  if (!done) {
    if (!trouble_) Complain("kernel: " + done.error().message);
    trouble_ = std::move(done.error());
    repair_at_ = now + kAfterFailure;
    return;
  }
  trouble_.reset();
  if (done->empty()) return;
  between_repairs_ = now - last_repair_ > kPeace ? kShortestBetweenRepairs : std::min(between_repairs_ * 2, kLongestBetweenRepairs);
  last_repair_ = now;
  corrections_ += done->size();
  journal_->Add({.kind = "datapath.corrected",
                 .text = std::format("{} object{} that somebody else changed {} put back", done->size(), done->size() == 1 ? "" : "s",
                                     done->size() == 1 ? "was" : "were"),
                 .warning = true});
  if (IsDebugging()) Debug(state::ToString(*done));
}

void Core::LookAtHost() {
  look_at_ = kNever;
  auto host = kernel_.ReadHost();
  if (!host) {
    Warn("host: " + host.error().message);
    look_at_ = EventLoop::Now() + kAfterFailure;
    return;
  }
  if (*host == host_) return;
  host_ = std::move(*host);
  Feed(agent::HostChanged{.host = host_});
}

void Core::TakeNotifications() {
  const auto dirt = kernel_.TakeNotifications();
  const Time now = EventLoop::Now();
  if (dirt.ours && has_committed_) repair_at_ = std::min(repair_at_, std::max(now + kGather, last_repair_ + between_repairs_));
  if (dirt.host) look_at_ = std::min(look_at_, now + kGather);
}

void Core::TakeDatagrams() {
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    auto received = socket_->Receive();
    if (!received) Complain("gossip: " + received.error().message);
    if (!received || !*received) return;
    Feed(agent::Datagram{.from = (*received)->from, .bytes = (*received)->bytes});
  }
}

void Core::OnTimer() {
  const Time now = EventLoop::Now();
  if (look_at_ <= now) LookAtHost();
  if (repair_at_ <= now) Repair();
  if (agent_wakes_ <= now) Feed(agent::Tick{});
}

Time Core::wake_at() const { return std::min({agent_wakes_, repair_at_, look_at_}); }

void Core::Leave() {
  Feed(agent::Leave{});
  if (auto released = kernel_.ReleaseEgressAddresses(); !released) Complain("release: " + released.error().message);
}

void Core::RecheckConnections() {
  auto deleted = kernel::DeleteConnections([this](const kernel::Connection& connection) {
    const policy::Flow flow{.source = connection.source,
                            .destination = connection.destination,
                            .protocol = connection.protocol,
                            .port = connection.destination_port};
    return !agent_.MayStay(flow, connection.translated_source, plan::DecisionIn(connection.mark));
  });
  if (!deleted) {
    Complain("connection tracking: " + deleted.error().message);
  } else if (*deleted > 0) {
    journal_->Add({.kind = "connections.ended", .text = std::format("{} connections that the policy in force does not allow", *deleted)});
  }
}

Datapath Core::datapath() const {
  return {.in_sync = has_committed_ && !trouble_ && repair_at_ == kNever, .corrections = corrections_, .trouble = trouble_};
}

}  // namespace egressd::daemon
