// One agent alone: what it stores, commits, tells and takes back.
#include "egressd/agent/agent.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "solo.h"

namespace egressd::agent {

TEST_CASE("nothing is committed before the host is known, and an apply waits until then") {
  Solo solo;
  solo.Apply("mailer");
  solo.Step(Tick{});
  CHECK(solo.commits == 0);
  CHECK(solo.results.empty());
  solo.Host();
  REQUIRE(solo.results.size() == 1);
  CHECK(solo.results[0].generation == 1);
  solo.After(Duration{300'000});  // the uplink is asked whether somebody has it
  CHECK(solo.agent->desired().egress_addresses.size() == 1);
  REQUIRE(!solo.announced.empty());
  CHECK(solo.announced[0] == Announcement{.address = Ip("203.0.113.10"), .device = "eth0"});
  CHECK(solo.rechecks >= 1);
  REQUIRE(solo.takeovers.size() == 1);
  CHECK(solo.takeovers[0].address == Ip("203.0.113.10"));
  CHECK(solo.takeovers[0].gateway == "edge");
  CHECK(solo.takeovers[0].reason == Takeover::Reason::kFirst);
  CHECK(solo.agent->status().egress_ips.front().held_here);
}

TEST_CASE("with BGP the uplink is neither asked nor told, and what it says does not count") {
  Solo solo;
  solo.Host();
  solo.Apply("routed");
  CHECK(solo.agent->desired().egress_addresses.size() == 1);
  solo.After(Duration{5'000'000});
  CHECK(solo.announced.empty());
  CHECK(solo.probed == 0);
  solo.Step(ForeignAnnouncement{.address = Ip("203.0.113.10"), .device = "eth0", .mac = *MacAddress::Parse("02:00:00:00:00:01")});
  CHECK(solo.agent->desired().egress_addresses.size() == 1);
}

TEST_CASE("the stored state brings policy, number and address back after a restart") {
  Solo first;
  first.Host();
  first.Apply("mailer");
  first.Apply("mailer\nother");
  Solo second(first.disk);
  CHECK(second.agent->policy_text() == "mailer\nother");
  second.Host();
  second.After(Duration{300'000});
  CHECK(second.agent->status().generation == 2);
  CHECK(second.agent->desired() == first.agent->desired());
  SUBCASE("a content that was applied before is left alone when it comes from the file") {
    second.Apply("mailer", true);
    CHECK(second.results.back().generation == 2);
    CHECK(second.agent->policy_text() == "mailer\nother");
    second.Apply("new", true);
    CHECK(second.results.back().generation == 3);
  }
  SUBCASE("damaged state counts as none") {
    std::string damaged = first.disk;
    damaged[damaged.size() / 2] ^= 1;
    Solo third(damaged);
    third.Host();
    CHECK(third.agent->status().generation == 0);
  }
}

TEST_CASE("what the kernel still has after a restart stays there") {
  Solo first;
  first.Host();
  first.Apply("mailer");
  Solo second(first.disk, {Ip("203.0.113.10")});
  second.Host();
  CHECK(second.agent->desired() == first.agent->desired());
  CHECK(second.takeovers.empty());
}

TEST_CASE("a bad text changes nothing") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  const std::size_t commits = solo.commits;
  solo.Apply("broken");
  CHECK(solo.results.back().findings.size() == 1);
  CHECK(solo.results.back().generation == 1);
  CHECK(solo.commits == commits);
}

TEST_CASE("the same content twice is one generation and no commit") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  const std::size_t commits = solo.commits;
  solo.Apply("mailer");
  CHECK(solo.results.back().generation == 1);
  CHECK(solo.commits == commits);
  for (const policy::Change& change : solo.results.back().changes) CHECK(change.kind == policy::ChangeKind::kUnchanged);
}

TEST_CASE("what the kernel refuses is taken back and the result says what the kernel said") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  const state::State before = solo.agent->desired();
  solo.kernel_says = Error{ErrorKind::kSystem, "no space left on device"};
  solo.Apply("mailer drop");
  REQUIRE(solo.results.back().error);
  CHECK(solo.results.back().error->message == "no space left on device");
  CHECK(solo.agent->policy_text() == "mailer");
  CHECK(solo.agent->desired() == before);
  const auto health = solo.agent->status().health;
  REQUIRE(!health.empty());
  CHECK(health[0].code == "E103");
  solo.kernel_says = std::nullopt;
  const std::size_t commits = solo.commits;
  solo.now += Duration{5'000'000};
  solo.Step(Tick{});
  CHECK(solo.commits == commits + 1);
  CHECK(solo.agent->status().health.empty());
}

TEST_CASE("inputs that change nothing commit nothing") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  const std::size_t commits = solo.commits;
  solo.Host();
  for (int i = 0; i < 100; ++i) {
    solo.now += Duration{100'000};
    solo.Step(Tick{});
  }
  solo.Step(WorkloadsChanged{.source = "workloads.d/a.yaml", .workloads = {}});
  CHECK(solo.commits == commits);
}

TEST_CASE("an apply whose egress IP the kernel refuses leaves generation, addresses and claims as they were") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  const state::State before = solo.agent->desired();
  solo.kernel_refuses = Ip("203.0.113.11");
  solo.Apply("mailer\nother");
  REQUIRE(solo.results.size() == 2);
  CHECK(solo.results[1].error == Error{ErrorKind::kPermission, "no"});
  CHECK(solo.results[1].generation == 1);
  CHECK(solo.agent->desired() == before);
  CHECK(solo.agent->policy_text() == "mailer");
}

TEST_CASE("an egress IP that the kernel refuses is not held, is told, and is tried again") {
  Solo first;
  first.Host();
  first.Apply("mailer");
  Solo solo(first.disk);
  solo.kernel_refuses = Ip("203.0.113.10");
  solo.Host();
  solo.After(Duration{300'000});
  CHECK(solo.agent->desired().egress_addresses.empty());
  const auto refused = [](const Health& health) { return health.code == "E103" && health.object == "203.0.113.10"; };
  CHECK(std::ranges::any_of(solo.agent->status().health, refused));
  solo.kernel_refuses.reset();
  solo.After(std::chrono::seconds(6));
  CHECK(solo.agent->desired().egress_addresses.size() == 1);
  CHECK(std::ranges::none_of(solo.agent->status().health, refused));
}

TEST_CASE("an egress IP that another host answers for is told as that") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  solo.Step(ForeignAnnouncement{.address = Ip("203.0.113.10"), .device = "eth0", .mac = MacAddress{{2, 0, 0, 0, 0, 9}}});
  solo.After(Duration{300'000});
  CHECK(solo.agent->desired().egress_addresses.empty());
  const auto health = solo.agent->status().health;
  const auto found = std::ranges::find(health, "203.0.113.10", &Health::object);
  REQUIRE(found != health.end());
  CHECK(found->code == "E106");
  CHECK(found->text.contains("02:00:00:00:00:09"));
}

TEST_CASE("an egress IP that another host has is tried again soon, then ever more seldom, then soon again") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  const auto held = [&] { return !solo.agent->desired().egress_addresses.empty(); };
  const auto lose = [&](std::chrono::milliseconds away) {
    solo.Step(ForeignAnnouncement{.address = Ip("203.0.113.10"), .device = "eth0", .mac = MacAddress{{2, 0, 0, 0, 0, 9}}});
    CHECK(!held());
    solo.After(away - std::chrono::milliseconds(50));
    CHECK(!held());
    solo.After(std::chrono::milliseconds(100));
    CHECK(held());
  };
  solo.After(std::chrono::milliseconds(300));
  for (const int seconds : {1, 2, 4, 8, 10, 10}) lose(std::chrono::seconds(seconds));
  solo.After(std::chrono::seconds(61));
  lose(std::chrono::seconds(1));
}

TEST_CASE("a failing health check is told, and forgotten with the check") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer\nchecked");
  solo.After(std::chrono::seconds(1));
  REQUIRE(!solo.agent->desired().egress_addresses.empty());
  solo.Step(HealthVerdict{.gateway = "edge", .healthy = false, .text = "tcp 192.0.2.1:443: timed out"});
  solo.After(std::chrono::seconds(1));
  CHECK(solo.agent->desired().egress_addresses.empty());
  const auto failing = [](const Health& health) { return health.code == "W110" && health.object == "edge"; };
  CHECK(std::ranges::any_of(solo.agent->status().health, failing));
  solo.Apply("mailer");
  solo.After(std::chrono::seconds(1));
  CHECK(std::ranges::none_of(solo.agent->status().health, failing));
  CHECK(solo.agent->desired().egress_addresses.size() == 1);
}

TEST_CASE("an apply knows how many nodes the cluster has: strict needs three") {
  Solo solo;
  solo.Host();
  solo.Apply("strict");
  const auto& findings = solo.results.back().findings;
  CHECK(std::ranges::any_of(findings, [](const policy::Finding& finding) { return finding.code == "W309"; }));
}

TEST_CASE("who sends to an egress IP that a policy gave up hears nothing for a minute") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer\nother");
  solo.After(std::chrono::seconds(1));
  REQUIRE(solo.agent->desired().egress_addresses.size() == 2);
  const auto silent = [&] { return solo.agent->desired().sets.contains({.name = "former4"}); };
  CHECK(!silent());
  solo.Apply("mailer");
  CHECK(solo.agent->desired().egress_addresses.size() == 1);
  CHECK(silent());
  SUBCASE("and then as ever") {
    solo.After(std::chrono::seconds(61));
    CHECK(!silent());
  }
  SUBCASE("unless a policy has it again") {
    solo.Apply("mailer\nother");
    CHECK(!silent());
    CHECK(solo.agent->desired().egress_addresses.size() == 2);
  }
}

TEST_CASE("a unit that starts is one commit, one that nobody speaks of none") {
  Solo solo;
  solo.Host();
  solo.Apply("own");
  solo.After(Duration{300'000});
  const std::vector<policy::Cgroup> before{{.id = 1, .path = "/system.slice"}};
  solo.Step(ProcessesChanged{.cgroups = before, .users = {}});
  const auto units = [&] {
    return std::ranges::count_if(solo.agent->desired().elements, [](const auto& entry) { return entry.first.set.name == "units"; });
  };
  CHECK(units() == 0);
  std::size_t commits = solo.commits;
  std::vector<policy::Cgroup> after = before;
  after.push_back({.id = 2, .path = "/system.slice/nginx.service"});
  solo.Step(ProcessesChanged{.cgroups = after, .users = {}});
  CHECK(solo.commits == commits + 1);
  CHECK(units() == 1);
  solo.Step(ProcessesChanged{.cgroups = std::nullopt, .users = {{{"mail", 8}}}});
  CHECK(solo.commits == commits + 1);
  CHECK(units() == 1);
  solo.Apply("mailer");
  CHECK(units() == 0);
  commits = solo.commits;
  solo.Step(ProcessesChanged{.cgroups = before, .users = {}});
  CHECK(solo.commits == commits);
}

TEST_CASE("connections of the host's own processes are in doubt once, after a policy about them has come") {
  Solo solo;
  solo.Host();
  solo.Apply("own");
  policy::Flow own = FlowTo("192.0.2.1");
  own.source = Ip("203.0.113.200");
  CHECK(!solo.agent->MayStay(own, own.source, 0));
  CHECK(!solo.agent->MayStay(own, own.source, kDirectMark));
  CHECK(solo.agent->MayStay(own, Ip("192.0.2.99"), 0));  // somebody else translates it
  policy::Flow inside = own;
  inside.destination = Ip("203.0.113.200");
  CHECK(solo.agent->MayStay(inside, own.source, 0));
  CHECK(solo.agent->MayStay(FlowTo("192.0.2.1"), FlowTo("192.0.2.1").source, 0));  // forwarded
  const policy::Binding binding = solo.agent->status().policies[0].bindings.at(0);
  CHECK(solo.agent->MayStay(own, *binding.egress_ip, binding.id.value));
  CHECK(!solo.agent->MayStay(own, Ip("198.19.0.1"), binding.id.value));
  const std::size_t rechecks = solo.rechecks;
  solo.Step(WorkloadsChanged{.source = "x", .workloads = {{.name = "x", .addresses = {Ip("10.1.0.9")}}}});
  solo.Apply("own\nmailer");
  CHECK(solo.rechecks > rechecks);
  CHECK(!solo.agent->MayStay(own, own.source, 0));
}

TEST_CASE("a connection may stay as long as the same would be decided for it now") {
  Solo solo;
  solo.Host();
  const policy::Flow outwards = FlowTo("192.0.2.1");
  const auto may_stay = [&](const policy::Flow& flow, const IpAddress& translated, std::uint16_t mark) {
    return solo.agent->MayStay(flow, translated, mark);
  };
  CHECK(may_stay(outwards, outwards.source, 0));
  solo.Apply("mailer");
  const policy::Binding binding = solo.agent->status().policies[0].bindings.at(0);
  const std::uint16_t id = binding.id.value;
  CHECK(may_stay(outwards, *binding.egress_ip, id));
  CHECK(!may_stay(outwards, Ip("198.19.0.1"), id));  // it went through a peer: this node translates to the egress IP
  CHECK(!may_stay(outwards, outwards.source, 0));
  CHECK(!may_stay(outwards, outwards.source, kDirectMark));
  CHECK(!may_stay(outwards, *binding.egress_ip, static_cast<std::uint16_t>(id + 1)));
  CHECK(may_stay(FlowTo("203.0.113.200"), outwards.source, kDirectMark));  // a node is not external
  policy::Flow other = outwards;
  other.source = Ip("10.9.0.1");
  CHECK(may_stay(other, other.source, 0));
  CHECK(may_stay(other, *binding.egress_ip, id));
  CHECK(!may_stay(other, *binding.egress_ip, 123));  // an id that no policy has any more
  solo.Apply("mailer direct");
  CHECK(may_stay(outwards, outwards.source, kDirectMark));
  CHECK(!may_stay(outwards, *binding.egress_ip, id));
  solo.Apply("mailer drop");
  CHECK(!may_stay(outwards, outwards.source, kDirectMark));
  solo.Apply("mailer route");
  const policy::Binding routed = solo.agent->status().policies[0].bindings.at(0);
  CHECK(may_stay(outwards, outwards.source, routed.id.value));
  CHECK(!may_stay(outwards, *routed.egress_ip, routed.id.value));  // from when it was translated
}

TEST_CASE("a node that leaves holds nothing any more") {
  Solo solo;
  solo.Host();
  solo.Apply("mailer");
  solo.Step(Leave{});
  CHECK(solo.agent->desired().egress_addresses.empty());
  solo.Apply("other");
  CHECK(solo.results.back().error);
}

}  // namespace egressd::agent
