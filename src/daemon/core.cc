#include "daemon/core.h"

#include <algorithm>
#include <format>
#include <map>
#include <string>
#include <vector>

#include "daemon/event_loop.h"
#include "daemon/log.h"
#include "egressd/control/files.h"
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
constexpr Duration kAwakeForRepair = milliseconds(1000);
constexpr Duration kAfterExpiry = milliseconds(20);

// Calls back whoever waits for this result.
template <typename Result>
void Answer(std::map<std::uint64_t, std::function<void(const Result&)>>& waiting, const Result& result) {
  if (auto found = waiting.extract(result.request)) found.mapped()(result);
}

}  // namespace

Core::Core(agent::Agent agent, kernel::Kernel kernel, Connections connections, Census census, Uplinks uplinks,
           const policy::NodeConfig& config, std::optional<net::UdpSocket> socket, Files files, Journal& journal)
    : agent_(std::move(agent)),
      kernel_(std::move(kernel)),
      uplinks_(std::move(uplinks)),
      socket_(std::move(socket)),
      files_(std::move(files)),
      journal_(&journal),
      connections_(std::move(connections)),
      census_(std::move(census)),
      checks_(config.node) {
  if (socket_) heartbeats_.emplace(config.tunnel.device);
}

void Core::Feed(const agent::Input& input) { Carry(agent_.Step(EventLoop::Now(), input)); }

void Core::Apply(std::string text, std::string actor, bool only_if_new, Done done) {
  const std::uint64_t request = next_request_++;
  requests_.emplace(request, std::move(done));
  Feed(agent::ApplyPolicy{.request = request, .text = std::move(text), .actor = std::move(actor), .only_if_new = only_if_new});
}

void Core::Move(const IpAddress& address, std::string node, Ordered done) {
  const std::uint64_t request = next_request_++;
  orders_.emplace(request, std::move(done));
  Feed(agent::Move{.request = request, .address = address, .node = std::move(node)});
}

void Core::Order(agent::KeyOrder order, KeysDone done) {
  order.request = next_request_++;
  key_requests_.emplace(order.request, std::move(done));
  Feed(order);
}

void Core::Carry(agent::Output output) {
  agent_wakes_ = output.wake_at;
  Store(output);
  if (output.wake) {
    if (auto woken = kernel_.Wake(*output.wake); !woken) Complain("kernel: " + woken.error().message);
  }
  connections_.Restore(output.restore);  // before it is acknowledged
  Send(output);
  for (const agent::Note& note : output.notes) journal_->Add(note);
  for (const agent::Takeover& takeover : output.takeovers) tallies_.Add(takeover);
  uplinks_.Probe(output.probe, agent_.desired(), host_, EventLoop::Now());
  if (output.commit) Commit(*output.commit);
  uplinks_.Announce(output.announce);
  if (output.commit) uplinks_.Watch(agent_.desired(), host_, EventLoop::Now());
  if (!output.renew.empty()) Renew(output.renew);
  connections_.Forget(output.forget);
  for (const agent::Collect& collect : output.collect) Feed(connections_.Collect(collect, agent_.tunnel_identity()));
  if (output.collect_remapped) Feed(connections_.CollectRemapped());
  if (output.recheck_connections) RecheckConnections();
  for (const agent::ApplyResult& result : output.results) Answer(requests_, result);
  for (const agent::OrderResult& result : output.orders) Answer(orders_, result);
  for (const agent::KeyResult& result : output.key_results) Answer(key_requests_, result);
}

void Core::Send(const agent::Output& output) {
  if (heartbeats_) heartbeats_->Send(output.bfd, output.echo);
  if (!socket_) return;
  for (const agent::OutgoingDatagram& datagram : output.send) {
    tallies_.sent.Add(datagram.bytes.size());
    if (auto sent = socket_->Send(datagram.to, datagram.bytes); !sent) Debug(sent.error().message);
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

void Core::Renew(const std::set<IpAddress>& egress_ips) {
  auto renewed = kernel_.Renew(agent_.desired(), egress_ips);
  if (!renewed) Debug("leases: " + renewed.error().message);
  if (renewed) Prolong(egress_ips);
  Feed(agent::Renewed{.expired = !renewed});
}

// Addresses that end with the leases. Routing daemons hear of every write, so it is done no more often than it must.
void Core::Prolong(const std::set<IpAddress>& egress_ips) {
  const Time now = EventLoop::Now();
  std::vector<state::EgressAddress> due;
  std::map<IpAddress, Time> next;
  for (const auto& [key, address] : agent_.desired().egress_addresses) {
    if (!address.lifetime) continue;
    const auto known = prolong_at_.find(key.address);
    Time at = known == prolong_at_.end() ? now : known->second;
    if (at <= now && egress_ips.contains(key.address)) {
      due.push_back(address);
      at = now + *address.lifetime / 4;
    }
    next[key.address] = at;
  }
  prolong_at_ = std::move(next);
  if (auto prolonged = kernel_.Prolong(due); !prolonged) Complain("kernel: " + prolonged.error().message);
}

// Brings the kernel to what the agent wants, and keeps the account of it.
Result<state::Transaction> Core::Reconcile() {
  const Time begin = EventLoop::Now();
  auto done = kernel_.Reconcile(agent_.desired(), agent_.touched());
  tallies_.Add(done, EventLoop::Now() - begin);
  return done;
}

void Core::Commit(std::uint64_t revision) {
  const Time begin = EventLoop::Now();
  auto done = Reconcile();
  std::optional<Error> error;
  if (done) {
    has_committed_ = true;
    trouble_.reset();
    repair_at_ = kNever;
    if (!done->empty() && IsDebugging()) {
      Debug(std::format("revision {}: {} objects in {} us\n{}", revision, done->size(), (EventLoop::Now() - begin).count(),
                        state::ToString(*done)));
    }
  } else if (done.error().kind == ErrorKind::kExpired) {
    error = std::move(done.error());  // not the kernel's fault: the agent decides again
    Debug("kernel: " + error->message);
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
  Feed(agent::Tick{});  // what may be put back is what may be held now
  if (auto woken = kernel_.Wake(agent_.may_wake() ? kAwakeForRepair : Duration{0}); !woken) Complain("kernel: " + woken.error().message);
  auto done = Reconcile();
  if (!done && done.error().kind == ErrorKind::kExpired) {
    repair_at_ = now + kAfterExpiry;  // strict leases come back with their next round
    return;
  }
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
  tallies_.AddCorrections(*done);
  journal_->Add({.kind = "datapath.corrected",
                 .text = std::format("{} object{} that somebody else changed {} put back", done->size(), done->size() == 1 ? "" : "s",
                                     done->size() == 1 ? "was" : "were"),
                 .warning = true});
  if (IsDebugging()) Debug(state::ToString(*done));
}

void Core::LookAtHost() {
  look_at_ = kNever;
  last_look_ = EventLoop::Now();
  auto host = kernel_.ReadHost();
  if (!host) {
    Warn("host: " + host.error().message);
    look_at_ = EventLoop::Now() + kAfterFailure;
    return;
  }
  if (*host == host_) return;
  host_ = std::move(*host);
  Feed(agent::HostChanged{.host = host_});
  uplinks_.Watch(agent_.desired(), host_, EventLoop::Now());
}

void Core::TakeNotifications() {
  const auto dirt = kernel_.TakeNotifications();
  const Time now = EventLoop::Now();
  if (dirt.ours && has_committed_) repair_at_ = std::min(repair_at_, std::max(now + kGather, last_repair_ + between_repairs_));
  if (dirt.host) look_at_ = std::min(look_at_, std::max(now, last_look_ + kGather));  // a link that goes down is seen at once
}

void Core::TakeDatagrams() {
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    auto received = socket_->Receive();
    if (!received) Complain("gossip: " + received.error().message);
    if (!received || !*received) return;
    tallies_.received.Add((*received)->bytes.size());
    Feed(agent::Datagram{.from = (*received)->from, .bytes = (*received)->bytes});
  }
}

void Core::TakeForeignAnnouncements() {
  for (const agent::ForeignAnnouncement& foreign : uplinks_.Take()) Feed(foreign);
}

void Core::OnTimer() {
  const Time now = EventLoop::Now();
  if (look_at_ <= now) LookAtHost();
  // What waits in the sockets was said before; nobody is blamed for what this process has not read.
  OnReadable();
  if (repair_at_ <= now) Repair();
  if (agent_wakes_ <= now) Feed(agent::Tick{});
  if (leave_by_ != kNever && (leave_by_ <= now || !agent_.hands_over())) FinishLeaving();
}

Time Core::wake_at() const { return std::min({agent_wakes_, repair_at_, look_at_, leave_by_, checks_.NextTimer()}); }

std::vector<int> Core::other_fds() const {
  std::vector<int> all;
  if (heartbeats_) all = heartbeats_->fds();
  if (connections_.fd() >= 0) all.push_back(connections_.fd());
  if (checks_.fd() >= 0) all.push_back(checks_.fd());
  all.push_back(census_.fd());
  return all;
}

void Core::OnReadable() {
  const auto feed = [this](const agent::Input& input) { Feed(input); };
  if (heartbeats_) heartbeats_->Take(feed);
  connections_.Take(feed);
  checks_.Follow(EventLoop::Now(), agent_.selection());
  checks_.Take(EventLoop::Now(), feed);
  census_.Take(EventLoop::Now());
}

std::vector<agent::Health> Core::health() const {
  if (heartbeats_ && heartbeats_->trouble()) return {*heartbeats_->trouble()};
  return {};
}

void Core::Leave(Duration at_most, std::function<void()> done) {
  left_ = std::move(done);
  leave_by_ = EventLoop::Now() + at_most;
  Feed(agent::HandOver{});
  if (!agent_.hands_over()) FinishLeaving();
}

void Core::FinishLeaving() {
  leave_by_ = kNever;
  // First let go, then say so: whoever takes an address after that is its only holder.
  if (auto released = kernel_.ReleaseEgressAddresses(); !released) Complain("release: " + released.error().message);
  Feed(agent::Leave{});
  if (left_) std::exchange(left_, nullptr)();
}

void Core::RecheckConnections() {
  const std::size_t ended = connections_.End([this](const kernel::Connection& connection) {
    const policy::Flow flow{.source = connection.source,
                            .destination = connection.destination,
                            .protocol = connection.protocol,
                            .port = connection.destination_port};
    return !agent_.MayStay(flow, connection.translated_source, plan::DecisionIn(connection.mark));
  });
  if (ended > 0) {
    journal_->Add({.kind = "connections.ended", .text = std::format("{} connections that the policy in force does not allow", ended)});
  }
}

Datapath Core::datapath() const {
  return {.in_sync = has_committed_ && !trouble_ && repair_at_ == kNever, .corrections = corrections_, .trouble = trouble_};
}

}  // namespace egressd::daemon
