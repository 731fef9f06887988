// One agent alone, with a parser of its own: the text names the policies, one a line, `name [direct|drop|route]`; the names `strict`,
// `checked` and `routed` make the gateway so, `own` speaks of a unit.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "egressd/agent/agent.h"

namespace egressd::agent {

inline IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

inline std::expected<policy::PolicySet, std::vector<policy::Finding>> ParseLines(std::string_view text) {
  policy::PolicySet set;
  set.pools["public"] = {.name = "public", .ipv4 = {*AddressRange::Parse("203.0.113.10-203.0.113.19")}};
  set.gateways["edge"] = {.name = "edge", .is_default = true, .nodes = {.names = {"solo"}, .labels = {}}, .pools = {"public"}};
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    policy::Policy one;
    std::string action;
    words >> one.name >> action;
    if (one.name == "broken") return std::unexpected(std::vector{policy::Finding{.code = "E001", .message = "broken"}});
    if (one.name == "strict") set.gateways["edge"].takeover = policy::Takeover::kStrict;
    if (one.name == "routed") set.gateways["edge"].announce = policy::Announce::kBgp;
    if (one.name == "checked") set.gateways["edge"].health = {{.target = {Ip("192.0.2.1"), 443}, .path = "", .host = ""}};
    policy::Selector selector;
    selector.cidrs = {*Prefix::Parse("10.1.0.0/24")};
    if (one.name == "own") selector = {.units = {"nginx.service"}};
    one.from = {selector};
    one.action = action == "direct" ? policy::Action::kDirect : action == "drop" ? policy::Action::kDrop : policy::Action::kSnat;
    if (action == "route") one.action = policy::Action::kRoute;
    set.policies[one.name] = one;
  }
  return set;
}

struct Solo {
  Time now{Duration{1'000'000'000}};
  std::string disk;
  std::unique_ptr<Agent> agent;
  std::optional<Error> kernel_says;
  std::optional<IpAddress> kernel_refuses;  // a state with this egress address
  std::vector<ApplyResult> results;
  std::vector<Announcement> announced;
  std::vector<Takeover> takeovers;
  std::size_t probed = 0;
  std::size_t commits = 0;
  std::size_t rechecks = 0;

  explicit Solo(std::string stored = "", std::set<IpAddress> held = {}) : disk(std::move(stored)) {
    policy::NodeConfig config;
    config.node.name = "solo";
    Settings settings{.config = config, .keys = {}, .incarnation = 1, .seed = 1, .stored = disk, .slots = {}, .held = std::move(held)};
    agent = std::make_unique<Agent>(std::move(settings), ParseLines, now);
  }
  void Host() {
    state::Host host;
    host.devices = {{.name = "eth0", .index = 2, .mtu_bytes = 1500, .running = true, .addresses = {{Ip("203.0.113.200"), 24}}}};
    host.routes = {{.destination = *Prefix::Parse("0.0.0.0/0"), .device = "eth0", .next_hop = Ip("203.0.113.254")}};
    Step(HostChanged{host});
  }
  void Apply(const std::string& text, bool only_if_new = false) {
    Step(ApplyPolicy{.request = 7, .text = text, .actor = "root", .only_if_new = only_if_new});
  }
  // So much later: whatever is due.
  void After(Duration wait) {
    for (const Time end = now + wait; now < end;) {
      now = std::min(end, now + Duration{10'000});
      Step(Tick{});
    }
  }
  void Step(const Input& input) {
    Output output = agent->Step(now, input);
    if (output.store) disk = *output.store;
    CHECK(output.send.empty());
    for (auto& result : output.results) results.push_back(result);
    for (auto& announcement : output.announce) announced.push_back(announcement);
    for (auto& takeover : output.takeovers) takeovers.push_back(takeover);
    probed += output.probe.size();
    if (output.recheck_connections) ++rechecks;
    if (output.commit) {
      ++commits;
      REQUIRE(commits < 100);  // never for ever
      std::optional<Error> error = kernel_says;
      for (const auto& [key, address] : agent->desired().egress_addresses) {
        if (key.address == kernel_refuses) error = Error{ErrorKind::kPermission, "no"};
      }
      Step(Committed{.revision = *output.commit, .error = error});
    }
  }
};

inline policy::Flow FlowTo(std::string_view destination) {
  return {.source = Ip("10.1.0.5"), .interface = "", .destination = Ip(destination), .protocol = 6, .port = 443};
}

}  // namespace egressd::agent
