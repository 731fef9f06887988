#include <doctest/doctest.h>

#include "egressd/state/transaction.h"
#include "plan/skeleton.h"
#include "scenario.h"

namespace egressd::plan {
namespace {

using Strings = std::set<std::string>;

const std::string kOut = "ct direction original ct mark & 0xffff0000 == 0x00e60000 limit name ct mark & 0xffff map @limit_out counter name "
                         "over_limit drop";
const std::string kIn = "ct direction reply ct mark & 0xffff0000 == 0x00e60000 limit name ct mark & 0xffff map @limit_in counter name "
                        "over_limit drop";

// gw1, with the public network on eth0; it holds what the policy web got.
struct Limited : Scenario {
  Limited() {
    self = "gw1";
    host.devices[1].addresses.push_back(OnDevice("2001:db8:1::2", 64));
    Add("web", "web").bandwidth = {.egress_bits = 800'000'000, .ingress_bits = 400'000'000};
    holds = {{Ip("203.0.113.10"), {}}, {Ip("2001:db8:1::10"), {}}};
  }
  policy::Bandwidth& bandwidth() { return set.policies["web"].bandwidth; }
};

state::NftLimit LimitIn(const state::State& state, const std::string& name) { return state.limits.at({.name = name}); }

TEST_CASE("a policy has one limit for each direction, whatever number of egress IPs it has here") {
  Limited world;
  const state::State state = world.Plan();
  const std::string id4 = Mark(world.IdOf("web").value), id6 = Mark(world.IdOf("web", Family::kIpv6).value);
  CHECK(Elements(state, "limit_out") == Strings{id4 + " : out_web", id6 + " : out_web"});
  CHECK(Elements(state, "limit_in") == Strings{id4 + " : in_web", id6 + " : in_web"});
  CHECK(state.limits.size() == 2);
  CHECK(LimitIn(state, "out_web").rate_bytes == 100'000'000);
  CHECK(LimitIn(state, "out_web").extra_bytes == 0);
  CHECK(LimitIn(state, "in_web").rate_bytes == 50'000'000);
  // Behind the translation and only what leaves for the outside, before it is counted as sent; in front of everything for what comes back.
  const std::vector<std::string> leave = Texts(state, "leave");
  CHECK(leave[0] == "oifname egressd0 goto leave_tunnel");
  CHECK(leave[1] == kOut);
  const std::vector<std::string> prerouting = Texts(state, "prerouting");
  CHECK(prerouting[0] == "iifname egressd0 goto from_tunnel");
  CHECK(prerouting[1] == kIn);
}

TEST_CASE("a burst is what the bucket holds, of which the kernel gives one second's") {
  Limited world;
  world.bandwidth().burst_bits = 2'000'000'000;
  const state::State state = world.Plan();
  CHECK(LimitIn(state, "out_web").extra_bytes == (2'000'000'000 - 800'000'000) / 8);
  CHECK(LimitIn(state, "in_web").extra_bytes == (2'000'000'000 - 400'000'000) / 8);
  world.bandwidth() = {.egress_bits = 8000};  // less in a second than a card puts together to one packet
  world.Compile();
  const state::State slow = world.Plan();
  CHECK(LimitIn(slow, "out_web").rate_bytes == 1000);
  CHECK(LimitIn(slow, "out_web").extra_bytes == 128 * 1024 - 1000);
  CHECK(Elements(slow, "limit_in").empty());
}

TEST_CASE("a policy more is elements and limits, not a rule; without a bandwidth there is neither rule nor map") {
  Limited world;
  const state::State one = world.Plan();
  world.Add("mail", "mail").bandwidth = {.egress_bits = 1'000'000};
  world.holds[Ip("203.0.113.11")] = {};
  world.Compile();
  const state::State two = world.Plan();
  CHECK(Texts(two, "leave") == Texts(one, "leave"));
  CHECK(Texts(two, "prerouting") == Texts(one, "prerouting"));
  CHECK(two.limits.size() == 3);

  Limited none;
  none.bandwidth() = {};
  const state::State state = none.Plan();
  CHECK(state.limits.empty());
  CHECK(!state.sets.contains({.name = "limit_out"}));
  CHECK(!std::ranges::contains(Texts(state, "leased4"), kOut));
  CHECK(!std::ranges::contains(Texts(state, "prerouting"), kIn));
}

TEST_CASE("only the node that holds the egress IP limits") {
  Limited world;
  world.holds.clear();
  const state::State state = world.Plan();
  CHECK(state.limits.empty());
  CHECK(Elements(state, "limit_out").empty());
}

TEST_CASE("explain names the limits and where they are") {
  Limited world;
  world.self = "app1";
  const Explanation explanation = Explain(world.Input(), {.source = Ip("172.17.0.2"), .destination = Ip("198.51.100.7")}, "app1");
  CHECK(std::ranges::contains(explanation.path,
                              "gw1  sends at most 800M bit/s for all of web together, bursts of 800M bit (map limit_out, counter "
                              "over_limit)"));
  CHECK(std::ranges::contains(explanation.path,
                              "gw1  lets in at most 400M bit/s for all of web together, bursts of 400M bit (map limit_in, counter "
                              "over_limit)"));
}

}  // namespace
}  // namespace egressd::plan
