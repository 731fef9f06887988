// The host's own processes: by unit, by user, by both, and what an address of a workload adds.
#include "egressd/policy/selection.h"
#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

const std::vector<Cgroup> kCgroups{{.id = 1, .path = "/system.slice"},
                                   {.id = 2, .path = "/system.slice/nginx.service"},
                                   {.id = 3, .path = "/system.slice/system-worker.slice"},
                                   {.id = 4, .path = "/system.slice/system-worker.slice/worker@one.service"},
                                   {.id = 5, .path = "/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service"},
                                   {.id = 6, .path = "/system.slice/_cgroup.service"},
                                   {.id = 7, .path = "/libpod_parent/libpod-1"}};

Selection Of(std::vector<Policy> policies, Processes processes = {.cgroups = kCgroups, .users = {{"mail", 8}}, .addresses = {}}) {
  PolicySet set;
  for (Policy& policy : policies) Add(set, std::move(policy));
  Selection selection(set, "n1", {{"zone", "a"}});
  selection.SetProcesses(std::move(processes));
  return selection;
}

std::string ClassOf(const Selection& selection, Process process, const char* source = "192.0.2.1") {
  const SourceClass* found = selection.ClassOf(Flow{.source = A(source), .destination = {}, .process = std::move(process)});
  return found == nullptr ? "" : found->ToString();
}
std::string OfUnit(const Selection& selection, std::string_view path, std::optional<std::uint32_t> user = {}) {
  return ClassOf(selection, {.units = UnitsOf(path), .user = user});
}

std::vector<std::uint64_t> Ids(const Selection& selection) {
  std::vector<std::uint64_t> ids;
  for (const Selection::Unit& unit : selection.units()) ids.push_back(unit.cgroup);
  return ids;
}

}  // namespace

TEST_CASE("a path leads through units, and through what is none") {
  CHECK(UnitsOf("/system.slice/nginx.service") == Texts{"system.slice", "nginx.service"});
  CHECK(UnitsOf("/user.slice/user@7.service/app.slice/x.scope/payload").back() == "x.scope");
  CHECK(UnitsOf("/system.slice/_cgroup.service").back() == "cgroup.service");
  CHECK(UnitsOf("/libpod_parent/libpod-1").empty());
  CHECK(UnitsOf("/.service").empty());
  CHECK(UnitsOf("").empty());
}

TEST_CASE("a unit is selected by name, pattern, template and slice") {
  const Selection selection = Of({{.name = "exact", .from = {{.units = {"nginx.service"}}}},
                                  {.name = "template", .from = {{.units = {"worker@*.service"}}}},
                                  {.name = "user-unit", .from = {{.units = {"sync.service"}}}},
                                  {.name = "slice", .from = {{.units = {"system.slice"}}}},
                                  {.name = "escaped", .from = {{.units = {"cgroup.service"}}}}});
  CHECK(Ids(selection) == std::vector<std::uint64_t>{1, 2, 4, 5, 6});
  CHECK(OfUnit(selection, "/system.slice/nginx.service") == "exact, slice");
  CHECK(OfUnit(selection, "/system.slice/nginx.service/child") == "exact, slice");
  CHECK(OfUnit(selection, "/system.slice/system-worker.slice/worker@one.service") == "slice, template");
  CHECK(OfUnit(selection, "/system.slice/system-worker.slice") == "slice");
  CHECK(OfUnit(selection, "/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service") == "user-unit");
  CHECK(OfUnit(selection, "/system.slice/_cgroup.service") == "escaped, slice");
  CHECK(OfUnit(selection, "/user.slice") == "");
  CHECK(selection.units()[1].level == 2);
  CHECK(selection.units()[3].level == 5);
}

TEST_CASE("users are names that the host knows, and numbers") {
  const Selection selection = Of({{.name = "a", .from = {{.users = {"mail"}}}}, {.name = "b", .from = {{.users = {"33", "8"}}}},
                                  {.name = "c", .from = {{.users = {"stranger"}}}}, {.name = "d", .from = {{.users = {"4294967294"}}}}});
  CHECK(ClassOf(selection, {.units = {}, .user = 8}) == "a, b");
  CHECK(ClassOf(selection, {.units = {}, .user = 33}) == "b");
  CHECK(ClassOf(selection, {.units = {}, .user = 34}) == "");
  CHECK(ClassOf(selection, {.units = {}, .user = 4294967294}) == "d");
  CHECK(ClassOf(selection, {.units = {}, .user = {}}) == "");
  CHECK(ClassOf(selection, {.units = {}, .user = 8}, "2001:db8::1") == "a, b");
}

TEST_CASE("unit, user and source hold together") {
  const Selection selection = Of({{.name = "both", .from = {{.units = {"nginx.service"}, .users = {"mail"}}}},
                                  {.name = "from", .from = {{.cidrs = {P("192.0.2.0/24")}, .units = {"nginx.service"}}}}});
  const char* nginx = "/system.slice/nginx.service";
  CHECK(OfUnit(selection, nginx, 8) == "both, from");
  CHECK(OfUnit(selection, nginx, 9) == "from");
  CHECK(ClassOf(selection, {.units = UnitsOf(nginx), .user = 8}, "198.51.100.1") == "both");
  CHECK(ClassOf(selection, {.units = UnitsOf(nginx), .user = 9}, "198.51.100.1") == "");
  CHECK(ClassOf(selection, {.units = {}, .user = 8}) == "");
}

TEST_CASE("policies of the process and of the address that it uses decide in their common order") {
  PolicySet set;
  Add(set, Policy{.name = "first", .priority = 1, .from = {Labelled("app", "web")}});
  Add(set, Policy{.name = "second", .priority = 2, .from = {{.users = {"8"}}}});
  Add(set, Policy{.name = "third", .priority = 3, .from = {{.all = true}}});
  Add(set, Workload{.name = "w", .addresses = {A("10.0.0.1")}, .labels = {{"app", "web"}}});
  Selection selection(set, "n1");
  selection.SetProcesses({.cgroups = {}, .users = {}, .addresses = {A("10.0.0.1"), A("192.0.2.1")}});
  CHECK(ClassOf(selection, {.units = {}, .user = 8}, "10.0.0.1") == "first, second, third");
  CHECK(ClassOf(selection, {.units = {}, .user = 9}, "10.0.0.1") == "first, third");
  CHECK(ClassOf(selection, {.units = {}, .user = 8}, "192.0.2.1") == "second");
  CHECK(ClassOf(selection, {.units = {}, .user = 9}, "192.0.2.1") == "");
  selection.SetWorkloads("x", {{.name = "x", .addresses = {A("192.0.2.1")}, .labels = {{"app", "web"}}}});
  CHECK(ClassOf(selection, {.units = {}, .user = 8}, "192.0.2.1") == "first, second, third");
}

TEST_CASE("a unit that starts again has another cgroup and the same class") {
  Selection selection = Of({{.name = "a", .from = {{.units = {"nginx.service"}}}}});
  const auto own = selection.own_sources();
  std::vector<Cgroup> cgroups = kCgroups;
  cgroups[1].id = 77;
  CHECK(selection.SetProcesses({.cgroups = cgroups, .users = {{"mail", 8}}, .addresses = {}}));
  CHECK(selection.own_sources() == own);
  CHECK(Ids(selection) == std::vector<std::uint64_t>{77});
  CHECK_FALSE(selection.SetProcesses({.cgroups = cgroups, .users = {{"mail", 9}}, .addresses = {}}));
  cgroups.erase(cgroups.begin() + 1);
  CHECK(selection.SetProcesses({.cgroups = cgroups, .users = {}, .addresses = {}}));
  CHECK(selection.units().empty());
  CHECK(selection.own_sources() == own);
}

TEST_CASE("where a unit is expected that must not be missed, every unit is looked at") {
  Selection closed = Of({{.name = "a", .from = {{.units = {"worker@*.service"}}}}});
  CHECK(closed.nursery().parents == std::set<std::uint64_t>{1, 3});
  CHECK(closed.nursery().known == std::set<std::uint64_t>{1, 2, 3, 4, 6});
  CHECK(closed.nursery().levels == std::set<std::uint8_t>{1, 2, 3});
  Selection in_user = Of({{.name = "a", .from = {{.units = {"sync.service"}}}}},
                         {.cgroups = {{.id = 1, .path = "/user.slice"}, {.id = 2, .path = "/user.slice/app.slice"},
                                      {.id = 3, .path = "/user.slice/app.slice/sync.service"},
                                      {.id = 4, .path = "/user.slice/other.slice"}},
                          .users = {},
                          .addresses = {}});
  CHECK(in_user.nursery().parents == std::set<std::uint64_t>{2});
  CHECK(in_user.nursery().known == std::set<std::uint64_t>{1, 3});
  Selection open = Of({{.name = "a", .from = {{.units = {"worker@*.service"}}}, .on_no_gateway = OnNoGateway::kDirect}});
  CHECK(open.nursery() == Selection::Nursery{});
  CHECK(Of({{.name = "a", .from = {{.units = {"a.service"}}}}}, {}).nursery() == Selection::Nursery{});
  CHECK(Of({{.name = "a", .from = {{.users = {"8"}}}}}).nursery() == Selection::Nursery{});
}

TEST_CASE("forwarded traffic is none of a process, and a process's is not forwarded") {
  const Selection selection = Of({{.name = "own", .from = {{.users = {"8"}}}}, {.name = "all", .from = {{.all = true}}}});
  CHECK(selection.ClassOf(A("10.0.0.1"))->ToString() == "all");
  CHECK(ClassOf(selection, {.units = {}, .user = 8}) == "own");
  CHECK(ClassOf(selection, {.units = {}, .user = 9}) == "");
  const auto Why = [&](const char* policy, std::optional<Process> process) {
    const Flow flow{.source = A("192.0.2.1"), .destination = A("198.51.100.1"), .process = std::move(process)};
    return WhyNot(selection, selection.set().policies.at(policy), flow).value_or("matches");
  };
  CHECK(Why("own", std::nullopt) == "wants the host's own processes");
  CHECK(Why("own", Process{.units = {}, .user = 9}) == "wants user 8");
  CHECK(Why("own", Process{.units = {}, .user = 8}) == "matches");
  CHECK(Why("all", Process{.units = {}, .user = 8}) == "selects what the host forwards");
}

TEST_CASE("node and node_labels say where a selector counts") {
  PolicySet set;
  Add(set, Policy{.name = "here", .from = {{.nodes = {"n1", "n2"}, .all = true}}});
  Add(set, Policy{.name = "zone", .from = {{.cidrs = {P("10.0.0.0/8")}, .node_labels = {Is("zone", "a")}}}});
  Add(set, Policy{.name = "own", .from = {{.users = {"8"}, .nodes = {"n2"}}}});
  Add(set, Policy{.name = "web", .from = {{.labels = {Is("app", "web")}, .nodes = {"n1"}}}});
  Add(set, Workload{.name = "w", .addresses = {A("10.0.0.1")}, .labels = {{"app", "web"}}});
  const Selection one(set, "n1", {{"zone", "a"}}), two(set, "n2", {{"zone", "b"}}), three(set, "n3");
  CHECK(one.ClassOf(A("10.0.0.1"))->ToString() == "here, web, zone");
  CHECK(two.ClassOf(A("10.0.0.1"))->ToString() == "here");
  CHECK(three.ClassOf(A("10.0.0.1")) == nullptr);
  CHECK_FALSE(one.names_processes());
  CHECK(two.names_processes());
  const Flow flow{.source = A("10.0.0.1"), .destination = {}};
  CHECK(WhyNot(three, set.policies.at("here"), flow) == "speaks of other nodes");
}

TEST_CASE("namespace_labels are those of the workload's namespace") {
  PolicySet set;
  set.namespaces["shop"] = {.name = "shop", .labels = {{"env", "prod"}}, .gateway = {}};
  Add(set, Policy{.name = "prod", .from = {{.namespace_labels = {Is("env", "prod")}}}});
  using enum Requirement::Operator;
  Add(set, Policy{.name = "rest", .from = {{.namespace_labels = {{.key = "env", .op = kNotIn, .values = {"prod"}}}}}});
  Add(set, Policy{.name = "unlabelled", .from = {{.namespace_labels = {{.key = "env", .op = kNotExists, .values = {}}}}}});
  Add(set, Workload{.name = "w", .namespace_ = "shop", .addresses = {A("10.0.0.1")}});
  Add(set, Workload{.name = "v", .namespace_ = "unlisted", .addresses = {A("10.0.0.2")}});
  const Selection selection(set, "n1");
  CHECK(selection.ClassOf(A("10.0.0.1"))->ToString() == "prod");
  CHECK(selection.ClassOf(A("10.0.0.2"))->ToString() == "rest, unlabelled");
  CHECK(WhyNot(selection, set.policies.at("rest"), {.source = A("10.0.0.1"), .destination = {}}) == "wants a namespace with env!=prod");
}

TEST_CASE("the gateway is the policy's own, else its namespace's, else the default one") {
  PolicySet set = Sound();
  Add(set, Gateway{.name = "core", .nodes = {.names = {"gw2"}}});
  set.namespaces["shop"] = {.name = "shop", .labels = {}, .gateway = "core"};
  set.namespaces["bare"] = {.name = "bare", .labels = {}, .gateway = {}};
  CHECK(GatewayOf(set, {.namespace_ = "shop", .gateway = "edge"})->name == "edge");
  CHECK(GatewayOf(set, {.namespace_ = "shop"})->name == "core");
  CHECK(GatewayOf(set, {.namespace_ = "bare"})->name == "edge");
  CHECK(GatewayOf(set, {.namespace_ = "unlisted"})->name == "edge");
  CHECK(GatewayOf(set, {.from = {{.namespace_ = "shop"}}})->name == "edge");
}

TEST_CASE("a policy over namespaces with gateways of their own says which it uses") {
  PolicySet set = Sound();
  Add(set, Pool{.name = "second", .ipv4 = {R("203.0.113.20-203.0.113.23")}});
  Add(set, Gateway{.name = "core", .nodes = {.names = {"gw2"}}, .pools = {"second"}});
  set.namespaces["shop"] = {.name = "shop", .labels = {{"env", "prod"}}, .gateway = "core"};
  CHECK(Seen(set) == Texts{});
  set.policies["mailer"].from = {{.namespace_ = "shop"}};
  CHECK(Seen(set) == Texts{"W323 policies.mailer"});
  set.policies["mailer"].from = {{.namespace_labels = {Is("env", "prod")}}};
  CHECK(Seen(set) == Texts{"W323 policies.mailer"});
  set.policies["mailer"].gateway = "edge";
  CHECK(Seen(set) == Texts{});
  set.namespaces["shop"].gateway = "nowhere";
  set.policies["mailer"] = {.name = "mailer", .namespace_ = "shop", .from = {{.all = true}}};
  CHECK(Seen(set) == Texts{"E202 namespaces.shop.gateway", "W304 gateways.core"});
}

TEST_CASE("what can never select a process is an error") {
  const auto SeenWith = [](Selector selector) {
    PolicySet set = Sound();
    set.policies["mailer"].from = {std::move(selector)};
    Texts seen = Seen(set);
    for (std::string& text : seen) text = text.substr(0, text.find(' ')) + text.substr(text.rfind('.'));
    return seen;
  };
  CHECK(SeenWith({.units = {"nginx.service", "w@*.service", "*", "app.slice", "x.s*"}}) == Texts{});
  CHECK(SeenWith({.users = {"www-data", "33", "_apt", "a.b"}}) == Texts{});
  CHECK(SeenWith({.units = {"nginx"}}) == Texts{"E140.unit[0]"});
  CHECK(SeenWith({.units = {"nginx.timer"}}) == Texts{"E140.unit[0]"});
  CHECK(SeenWith({.units = {"a[.service"}}) == Texts{"E109.unit[0]"});
  CHECK(SeenWith({.units = {"system.slice/a.service"}}) == Texts{"E109.unit[0]"});
  CHECK(SeenWith({.users = {"4294967295", "a b", "www-*"}}) == Texts{"E141.user[0]", "E141.user[1]", "E141.user[2]"});
  CHECK(SeenWith({.labels = {Is("app", "web")}, .units = {"a.service"}}) == Texts{"E243.labels"});
  CHECK(SeenWith({.namespace_ = "shop", .users = {"8"}}) == Texts{"E243.namespace"});
  CHECK(SeenWith({.interface = "br0", .users = {"8"}}) == Texts{"E243.interface"});
  CHECK(SeenWith({.users = {"8"}, .all = true}) == Texts{"E219.all"});
}

TEST_CASE("policies of equal priority that select one process overlap") {
  PolicySet set = Sound();
  Add(set, Policy{.name = "a", .from = {{.units = {"nginx.service"}}}});
  Add(set, Policy{.name = "b", .from = {{.units = {"n*.service"}}}});
  CHECK(Seen(set) == Texts{"W301 policies.b.priority"});
  set.policies["b"].from = {{.units = {"other.service"}}};
  CHECK(Seen(set) == Texts{});
  set.policies["b"].from = {{.users = {"www-data"}}};
  CHECK(Seen(set) == Texts{"W301 policies.b.priority"});
}

}  // namespace egressd::policy
