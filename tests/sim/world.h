// A small universe: agents on a virtual network with a virtual clock. The same Agent as in the daemon, driven by the same loop
// (agent.h), so that whatever goes wrong here goes wrong there. Everything follows from one seed.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "egressd/base/random.h"
#include "sim/node.h"

namespace egressd::sim {

struct Weather {
  double loss = 0, duplication = 0;
  Duration shortest{200}, longest{1'500};
};

class World {
 public:
  using Node = sim::Node;

  explicit World(std::uint64_t seed) : random_(seed), seed_(seed) {}

  Time now() const { return now_; }
  Random& random() { return random_; }
  Weather weather;
  std::set<std::pair<std::string, std::string>> cuts;           // one-way: from, to
  std::set<std::string> without_uplink;                         // neither hears nor is heard on the uplink network
  // Every time a kernel has taken or prolonged leases: the node, and the egress IPs that it answers for.
  std::function<void(const Node& node)> after_commit = [](const Node&) {};
  std::function<void(const Node& node, const agent::Note& note)> on_note = [](const Node&, const agent::Note&) {};
  std::function<void(const std::string& line)> log = [](const std::string&) {};
  std::function<void(const std::string& from, const std::string& to)> on_wrong_key = [](const std::string&, const std::string&) {};
  std::vector<std::string> broken;                              // rules that were broken, with the time

  // A node with one uplink of 203.0.113.0/24 and the underlay address 10.0.0.<number>.
  Node& Add(const std::string& name, int number, policy::Labels labels, std::vector<std::string> join) {
    Node& node = nodes_[name];
    node.name = name;
    node.config.node.name = name;
    node.config.node.labels = std::move(labels);
    for (const std::string& address : join) node.config.cluster.join.push_back(*Endpoint::Parse(address, 7947));
    node.host.devices = {{.name = "eth0",
                          .index = 2,
                          .mtu_bytes = 1500,
                          .mac = *MacAddress::Parse(std::format("02:00:00:00:00:{:02x}", number)),
                          .running = true,
                          .addresses = {{.address = Ip(std::format("10.0.0.{}", number)), .length = 24},
                                        {.address = Ip(std::format("203.0.113.{}", 200 + number)), .length = 24}}}};
    node.host.routes = {{.destination = *Prefix::Parse("0.0.0.0/0"), .device = "eth0", .next_hop = Ip("10.0.0.254")}};
    gossip::Key key;
    key.bytes.fill(7);
    node.keys = {key};
    at_[Endpoint{.address = Ip(std::format("10.0.0.{}", number)), .port = 7947}] = name;
    return node;
  }
  Node& operator[](const std::string& name) { return nodes_.at(name); }
  std::map<std::string, Node>& nodes() { return nodes_; }

  void Start(const std::string& name) {
    Node& node = nodes_.at(name);
    if (node.agent) return;
    node.gone = false;
    node.committed = false;
    node.wrong_keys = 0;
    node.incarnation = std::max(node.incarnation + 1, static_cast<std::uint64_t>(now_.time_since_epoch().count() / 1000));
    agent::Settings settings{.config = node.config,
                             .keys = node.keys,
                             .incarnation = node.incarnation,
                             .seed = random_.Next(),
                             .stored = node.disk,
                             .stored_keys = node.key_disk,
                             .slots = {},
                             .held = node.Held()};
    node.agent = std::make_unique<agent::Agent>(std::move(settings), Parser(), Clock(node));
    node.paused_until = {};
    Log(name, "starts");
    Feed(node, agent::HostChanged{node.host});
  }
  // kill -9: the kernel keeps what it has.
  void Kill(const std::string& name) {
    Node& node = nodes_.at(name);
    if (!node.agent) return;
    node.agent.reset();
    node.wake_at = kNever;
    Log(name, "is killed");
  }
  // The host dies: what its kernel had is lost.
  void Crash(const std::string& name) {
    Kill(name);
    nodes_.at(name).kernel = test::FakeKernel{};
    nodes_.at(name).gone = true;
  }
  void Pause(const std::string& name, Duration duration) {
    Time& until = nodes_.at(name).paused_until;
    until = std::max(until, now_ + duration);
  }
  // What comes while the process stands still is read when it goes on; an input that only views its bytes must not come then.
  void Input(const std::string& name, const agent::Input& input) {
    Node& node = nodes_.at(name);
    if (!node.agent) return;
    if (node.paused_until > now_) return Later(node, [this, name, input] { Input(name, input); });
    Feed(node, input);
  }
  // Is its process there, and does it go on?
  bool Runs(const Node& node) const { return node.agent && node.paused_until <= now_; }
  // The cable of its uplink. The underlay has another one.
  void SetCarrier(const std::string& name, bool there) {
    Node& node = nodes_.at(name);
    node.host.devices[0].running = there;
    if (there) without_uplink.erase(name); else without_uplink.insert(name);
    Input(name, agent::HostChanged{node.host});
  }
  // Does this node's kernel answer for the egress IP now?
  bool Answers(Node& node, const IpAddress& address) {
    node.kernel.now = Clock(node);
    return !node.gone && node.kernel.Answers(address);
  }
  // Something to do later.
  void At(Time time, std::function<void()> action) { queue_.push({time, ++order_, std::move(action)}); }

  void Run(Duration duration) {
    const Time end = now_ + duration;
    for (;;) {
      Node* due = nullptr;
      for (auto& [name, node] : nodes_) {
        if (node.agent && Wake(node) < (due ? Wake(*due) : kNever)) due = &node;
      }
      const Time event = queue_.empty() ? kNever : queue_.top().time;
      const Time next = std::min(event, due ? Wake(*due) : kNever);
      if (next > end) break;
      now_ = std::max(now_, next);
      if (event <= next) {
        auto action = std::move(const_cast<Event&>(queue_.top()).action);  // order is by time alone
        queue_.pop();
        action();
      } else {
        Feed(*due, agent::Tick{});
      }
    }
    now_ = end;
  }
  // Until `condition`, looked at every 10 ms; false when it did not come true in time.
  bool RunUntil(Duration limit, const std::function<bool()>& condition) {
    for (const Time end = now_ + limit; now_ < end;) {
      if (condition()) return true;
      Run(Duration{10'000});
    }
    return condition();
  }

  void Log(const std::string& name, const std::string& text) {
    const double seconds = static_cast<double>((now_ - kBegin).count()) / 1e6;
    log(std::format("{:8.3f} {} {}", seconds, name, text));
  }

  std::size_t datagrams = 0;

 private:
  struct Event {
    Time time;
    std::uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const { return std::tie(other.time, other.order) < std::tie(time, order); }
  };
  static constexpr Time kBegin = Time{Duration{1'000'000'000}};

  // What the node's own clock shows, and when it will show that.
  Time Clock(const Node& node) const {
    return kBegin + Duration{static_cast<std::int64_t>(static_cast<double>((now_ - kBegin).count()) * node.rate)};
  }
  static Time When(const Node& node, Time clock) {
    return clock == kNever ? kNever
                           : kBegin + Duration{static_cast<std::int64_t>(static_cast<double>((clock - kBegin).count()) / node.rate) + 1};
  }
  static Time Wake(const Node& node) { return node.wake_at == kNever ? kNever : std::max(When(node, node.wake_at), node.paused_until); }
  bool Cut(const std::string& from, const std::string& to) const { return !cuts.empty() && cuts.contains({from, to}); }
  Duration Way() {
    return weather.shortest + Duration{static_cast<std::int64_t>(random_.Below(
                                  static_cast<std::uint64_t>((weather.longest - weather.shortest).count() + 1)))};
  }

  void Send(const Node& from, const agent::OutgoingDatagram& datagram) {
    ++datagrams;
    if (datagram.bytes.size() > 1400) broken.push_back(std::format("{} sends {} bytes", from.name, datagram.bytes.size()));
    const auto target = at_.find(datagram.to);
    if (target == at_.end()) return;
    const Endpoint source{.address = from.config.node.address.value_or(from.host.devices[0].addresses[0].address), .port = 7947};
    const int copies = random_.Chance(weather.duplication) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (random_.Chance(weather.loss)) continue;
      At(now_ + Way(), [this, sender = from.name, to = target->second, source, bytes = datagram.bytes] {
        Deliver(sender, to, source, bytes);
      });
    }
  }

  void Deliver(const std::string& from, const std::string& to, const Endpoint& source, const std::vector<std::uint8_t>& bytes) {
    if (Cut(from, to)) return;
    Node& node = nodes_.at(to);
    if (!node.agent) return;
    if (node.paused_until > now_) {  // waits in the socket
      Later(node, [this, from, to, source, bytes] { Deliver(from, to, source, bytes); });
      return;
    }
    Feed(node, agent::Datagram{.from = source, .bytes = bytes});
    const std::uint64_t wrong_keys = node.agent->rejected().wrong_key;
    if (wrong_keys != std::exchange(node.wrong_keys, wrong_keys)) on_wrong_key(from, to);
  }

  // When the process goes on; never, if it is killed: its sockets die with it.
  void Later(const Node& node, std::function<void()> action) {
    At(node.paused_until, [&node, life = node.incarnation, action = std::move(action)] {
      if (node.incarnation == life) action();
    });
  }

  // Waits in a socket while the process stands still.
  template <typename Make>
  void DeliverPacket(const std::string& to, Make&& make) {
    Node& node = nodes_.at(to);
    if (!node.agent) return;
    if (node.paused_until > now_) {
      Later(node, [this, to, make = std::forward<Make>(make)] { DeliverPacket(to, make); });
      return;
    }
    make(node);
  }

  void SendBfd(const Node& from, const agent::OutgoingBfd& packet) {
    const auto target = at_.find(Endpoint{.address = packet.to, .port = 7947});
    if (target == at_.end() || random_.Chance(weather.loss)) return;
    At(now_ + Way(), [this, sender = from.name, to = target->second, packet]() mutable {
      if (Cut(sender, to)) return;
      DeliverPacket(to, [this, packet = std::move(packet)](Node& node) {
        Feed(node, agent::BfdPacket{.from = packet.from, .from_port = packet.from_port, .time_to_live = 255, .bytes = packet.bytes});
      });
    });
  }

  // The other kernel answers, whatever its daemon does.
  void SendEcho(const Node& from, const agent::OutgoingEcho& echo) {
    const auto target = std::ranges::find_if(nodes_, [&](const auto& entry) { return entry.second.identity.ipv4 == echo.to; });
    if (target == nodes_.end() || random_.Chance(weather.loss) || random_.Chance(weather.loss)) return;
    At(now_ + Way(), [this, sender = from.name, to = target->first, echo] {
      if (Cut(sender, to) || nodes_.at(to).gone) return;
      At(now_ + Way(), [this, sender, to, echo] {
        if (Cut(to, sender)) return;
        DeliverPacket(sender, [this, echo](Node& node) { Feed(node, agent::EchoReply{.from = echo.to, .sequence = echo.sequence}); });
      });
    });
  }

  // Who shares the uplink network hears it.
  void Announce(const Node& from, const IpAddress& address) {
    if (without_uplink.contains(from.name)) return;
    for (auto& [name, node] : nodes_) {
      if (name == from.name || without_uplink.contains(name)) continue;
      At(now_ + Way(), [this, to = name, address, mac = from.host.devices[0].mac] {
        DeliverPacket(to, [this, address, mac](Node& other) {
          Feed(other, agent::ForeignAnnouncement{.address = address, .device = "eth0", .mac = mac});
        });
      });
    }
  }

  void Probe(const Node& from, const IpAddress& address) {
    if (without_uplink.contains(from.name)) return;
    for (auto& [name, node] : nodes_) {
      if (name == from.name || without_uplink.contains(name) || node.gone || !Answers(node, address)) continue;
      At(now_ + 2 * Way(), [this, to = from.name, address, mac = node.host.devices[0].mac] {
        DeliverPacket(to, [this, address, mac](Node& other) {
          Feed(other, agent::ForeignAnnouncement{.address = address, .device = "eth0", .mac = mac});
        });
      });
    }
  }

  void Feed(Node& node, const agent::Input& input) {
    agent::Output output = node.agent->Step(Clock(node), input);
    node.wake_at = output.wake_at;
    node.identity = node.agent->tunnel_identity();
    if (output.wake_at <= Clock(node)) broken.push_back(std::format("{} wants to wake up in the past", node.name));
    if (output.store) node.disk = *output.store;
    if (output.store_keys) node.key_disk = *output.store_keys;
    for (const agent::KeyResult& result : output.key_results) node.key_results.push_back(result);
    for (const agent::Note& note : output.notes) {
      Log(node.name, std::format("{}: {}", note.kind, note.text));
      on_note(node, note);
    }
    for (const agent::ApplyResult& result : output.results) {
      node.results.push_back(result);
      Log(node.name, std::format("apply result {}: generation {}{}", result.request, result.generation,
                                 result.error ? ", error: " + result.error->message : result.findings.empty() ? "" : ", with findings"));
    }
    for (const agent::Announcement& announcement : output.announce) {
      node.announced.push_back(announcement);
      if (!Held(node, announcement.address)) {
        broken.push_back(std::format("{} announces {} without holding it", node.name, announcement.address.ToString()));
      }
      Log(node.name, std::format("announces {} on {}", announcement.address.ToString(), announcement.device));
    }
    if (output.recheck_connections) ++node.rechecks;
    node.kernel.now = Clock(node);
    if (output.wake) CHECK(node.kernel.Wake(*output.wake));
    for (const agent::OutgoingDatagram& datagram : output.send) Send(node, datagram);
    for (const agent::OutgoingBfd& packet : output.bfd) SendBfd(node, packet);
    for (const agent::OutgoingEcho& echo : output.echo) SendEcho(node, echo);
    for (const agent::AddressProbe& probe : output.probe) Probe(node, probe.address);
    for (const agent::Announcement& announcement : output.announce) Announce(node, announcement.address);
    if ((output.commit || !output.renew.empty()) && node.stall) {
      node.paused_until = std::max(node.paused_until, now_ + *std::exchange(node.stall, std::nullopt));
      return FinishLater(node, std::move(output));
    }
    Finish(node, output);
  }

  void FinishLater(Node& node, agent::Output output) {
    Later(node, [this, &node, output = std::move(output)] {
      if (node.paused_until > now_) FinishLater(node, output); else Finish(node, output);
    });
  }

  // What the daemon does with an output after it has sent.
  void Finish(Node& node, const agent::Output& output) {
    if (!node.agent) return;
    if (output.commit) Commit(node, *output.commit);
    if (!output.renew.empty() && node.agent) {
      node.kernel.now = Clock(node);
      const bool renewed = !node.kernel_refuses && node.kernel.Renew(node.agent->desired(), output.renew).has_value();
      if (renewed) after_commit(node);
      Feed(node, agent::Renewed{.expired = !renewed});
    }
    for (const agent::Collect& collect : output.collect) {
      if (node.agent) Feed(node, agent::Collected{.request = collect.request, .translations = {}});
    }
  }

  static bool Held(const Node& node, const IpAddress& address) { return node.Held().contains(address); }

  void Commit(Node& node, std::uint64_t revision) {
    if (!node.committed && !node.agent->status().synced) broken.push_back(std::format("{} commits before it is synced", node.name));
    node.committed = true;
    node.refused = node.kernel_refuses;
    if (node.refused) {
      return Feed(node, agent::Committed{.revision = revision, .error = Error{ErrorKind::kSystem, "no buffer space available"}});
    }
    const std::set<IpAddress> before = node.Held();
    node.kernel.now = Clock(node);
    if (auto done = node.kernel.Reconcile(node.agent->desired()); !done) {
      return Feed(node, agent::Committed{.revision = revision, .error = std::move(done.error())});
    }
    after_commit(node);
    for (const IpAddress& address : node.Held()) {
      if (!before.contains(address)) Log(node.name, std::format("has {}", address.ToString()));
    }
    for (const IpAddress& address : before) {
      if (!Held(node, address)) Log(node.name, std::format("no longer has {}", address.ToString()));
    }
    Feed(node, agent::Committed{.revision = revision, .error = std::nullopt});
  }

  std::map<std::string, Node> nodes_;
  std::map<Endpoint, std::string> at_;
  std::priority_queue<Event> queue_;
  std::uint64_t order_ = 0;
  Time now_ = kBegin;
  Random random_;
  std::uint64_t seed_;
};

}  // namespace egressd::sim
