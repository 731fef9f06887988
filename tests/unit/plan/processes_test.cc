// The host's own processes in nftables: units and users are elements, levels are rules.
#include <doctest/doctest.h>

#include "unit/plan/scenario.h"

namespace egressd::plan {
namespace {

policy::Processes Running() {
  return {.cgroups = {{.id = 0x11, .path = "/system.slice"}, {.id = 0x22, .path = "/system.slice/nginx.service"}},
          .users = {{"mail", 8}},
          .addresses = {Ip("10.0.0.1")}};
}

struct Own : Scenario {
  Own() {
    set.policies["unit"] = {.name = "unit", .from = {{.units = {"nginx.service"}}}};
    set.policies["user"] = {.name = "user", .from = {{.users = {"mail"}}}, .ports = {{.protocol = 6, .first = 25, .last = 25}}};
    Compile();
    selection().SetProcesses(Running());
  }
  std::uint32_t UnitClass() { return selection().units().front().unit_class; }
  // The value in own4 for a unit class, a user and an address, as the kernel would find it.
  std::string Found(const state::State& state, std::uint32_t unit_class, std::uint32_t user, std::string_view source) {
    using state::NftBytes;
    for (const auto& [key, element] : state.elements) {
      if (key.set.name != "own4") continue;
      const auto Field = [](const NftBytes& bytes, std::size_t at) {
        const auto field = bytes.bytes().subspan(at, 4);
        return std::vector<std::uint8_t>(field.begin(), field.end());
      };
      const NftBytes wanted = NftBytes::Concat({NftBytes::Mark(unit_class), NftBytes::NetworkOrder(user), NftBytes::Of(Ip(source))});
      bool inside = true;
      for (const std::size_t at : {0U, 4U, 8U}) {
        inside = inside && Field(key.first, at) <= Field(wanted, at) && Field(wanted, at) <= Field(key.last, at);
      }
      if (inside) return std::get<NftBytes>(element.value).ToString();
    }
    return "";
  }
};

bool Has(const state::State& state, const std::string& chain, const std::string& text) {
  return std::ranges::contains(Texts(state, chain), text);
}

}  // namespace

TEST_CASE("without a policy about processes there is nothing of them") {
  Scenario scenario;
  scenario.Add("web", "web");
  const state::State state = scenario.Plan();
  for (const char* name : {"units", "own4", "own6", "nurseries", "born", "agree"}) CHECK_FALSE(state.sets.contains({.name = name}));
  CHECK(Texts(state, "output") == std::vector<std::string>{"ct direction reply return",
                                                           "ct mark & 0xffff0000 == 0x00e60000 goto decided",
                                                           "meta mark == 0x000010e6 return",
                                                           "ct mark set ip saddr map @src4 goto dispatch_own",
                                                           "ct mark set ip6 saddr map @src6 goto dispatch_own"});
}

TEST_CASE("a unit is an element, its level a rule; the innermost unit is asked first") {
  Own own;
  const state::State state = own.Plan();
  CHECK(Elements(state, "units") == std::set<std::string>{state::NftBytes::Cgroup(0x22).ToString() + " : " + Mark(own.UnitClass())});
  CHECK(Has(state, "output", "ct mark set (socket cgroupv2 level 2 map @units) . meta skuid . ip saddr map @own4 goto dispatch_own"));
  CHECK(Has(state, "output", "ct mark set 0 . meta skuid . ip6 saddr map @own6 goto dispatch_own"));
  const auto texts = Texts(state, "output");
  const auto At = [&](std::string_view part) {
    return std::ranges::find_if(texts, [&](const std::string& text) { return text.contains(part); });
  };
  CHECK(At("meta mark == 0x000010e6") < At("udp dport 7789"));
  CHECK(At("udp dport 7789") < At("@nurseries"));
  CHECK(At("@nurseries") < At("level 2 map"));
  CHECK(At("level 2 map") < At("set 0 ."));
  CHECK(At("set 0 .") < At("@src4"));
}

TEST_CASE("each unit and user finds the mark of its policy, or the chain of its class") {
  Own own;
  const state::State state = own.Plan();
  CHECK(own.Found(state, own.UnitClass(), 1000, "10.0.0.1") == Mark(kDecided | own.IdOf("unit").value));
  CHECK(own.Found(state, 0, 1000, "10.0.0.1") == "");
  const std::string by_user = own.Found(state, 0, 8, "10.0.0.1"), by_both = own.Found(state, own.UnitClass(), 8, "10.0.0.1");
  CHECK(by_user != "");
  CHECK(by_both != "");
  CHECK(by_both != by_user);
  CHECK(Elements(state, "classes").size() == 4);  // two classes, two families
}

TEST_CASE("a unit that starts again changes one element, and in no other way than a new plan") {
  Own own;
  state::State state = own.Plan();
  const state::State before = state;
  policy::Processes again = Running();
  again.cgroups[1].id = 0x33;
  REQUIRE(own.selection().SetProcesses(again));
  REQUIRE(UpdateProcesses(own.Input(), state));
  CHECK(state == own.Plan());
  CHECK(Elements(state, "units") == std::set<std::string>{state::NftBytes::Cgroup(0x33).ToString() + " : " + Mark(own.UnitClass())});
  CHECK(state.chains == before.chains);
  CHECK(Elements(state, "own4") == Elements(before, "own4"));
  again.cgroups.pop_back();
  REQUIRE(own.selection().SetProcesses(again));
  REQUIRE(UpdateProcesses(own.Input(), state));
  CHECK(state == own.Plan());
  CHECK(Elements(state, "own4") == Elements(before, "own4"));
}

TEST_CASE("what goes to peers and into the tunnel network stays as it is, whoever sends it") {
  Own own;
  const state::State state = own.Plan();
  for (const char* text : {"ip daddr @peers4 goto direct", "ip daddr @local4 goto direct", "ip daddr 198.19.0.0/16 goto direct",
                           "ip6 daddr fd65:6772:6573:7300::/64 goto direct"}) {
    CAPTURE(text);
    CHECK(Has(state, "dispatch_own", text));
  }
  CHECK(Texts(state, "unknown_unit").back() == "counter name unknown_unit drop");
}

TEST_CASE("over UDP a connection is its process's, not its port's") {
  Own own;
  const state::State state = own.Plan();
  CHECK(Texts(state, "output")[1] == "ct mark & 0xffff0000 == 0x00e60000 meta l4proto 17 goto own_again");
  const auto again = Texts(state, "own_again");
  CHECK(again.front() == "ip daddr @internal4 goto decided");
  CHECK(again[2] == "((socket cgroupv2 level 2 map @units) . meta skuid . ip saddr map @own4) . ct mark @agree goto decided");
  CHECK(again.back() == "counter name other_process drop");
  const std::string mark = Mark(kDecided | own.IdOf("unit").value), direct = Mark(kDecided | 0xffff);
  CHECK(Elements(state, "agree").contains(mark + mark));
  CHECK_FALSE(Elements(state, "agree").contains(mark + direct));
  CHECK_FALSE(Elements(state, "agree").contains(mark + Mark(kDecided | own.IdOf("user").value)));
}

TEST_CASE("explain says by which maps a process is found, and what happens when a unit starts") {
  Own own;
  policy::Flow flow{.source = Ip("10.0.0.1"), .destination = Ip("192.0.2.1"), .protocol = 6, .port = 443};
  flow.process = policy::Process{.units = {"system.slice", "nginx.service"}, .user = {}};
  CHECK(Explain(own.Input(), flow, "app1").policy == "unit");
  CHECK(Explain(own.Input(), flow, "app1").path.front() ==
        "app1  map units, map own4 unit nginx.service, 10.0.0.1 decides: unit (priority 1000)");
  flow.process = policy::Process{.units = {"postfix.service"}, .user = 8};
  CHECK(Explain(own.Input(), flow, "app1").policy == "");
  flow.port = 25;
  CHECK(Explain(own.Input(), flow, "app1").policy == "user");
  flow.process.reset();
  CHECK(Explain(own.Input(), flow, "app1").rejected.front().reason == "wants the host's own processes");
  own.selection().SetProcesses({.cgroups = {}, .users = {{"mail", 8}}, .addresses = {Ip("10.0.0.1")}});
  flow.process = policy::Process{.units = {"nginx.service"}, .user = {}};
  CHECK(Explain(own.Input(), flow, "app1").policy == "unit");
  flow.port = 443;
  own.set.policies["slice"] = {.name = "slice", .priority = 1, .from = {{.units = {"system.slice"}}}};
  own.Compile();
  flow.process = policy::Process{.units = {"system.slice", "nginx.service"}, .user = {}};
  CHECK(Explain(own.Input(), flow, "app1").policy == "slice");
  CHECK(Explain(own.Input(), flow, "app1").path.front().contains("the unit does not run"));
}

}  // namespace egressd::plan
