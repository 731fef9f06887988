// drain, undrain and move against a daemon that tells a story: what the operator reads, and the exit code.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "egressd/base/fd.h"
#include "egressd/control/server.h"
#include "egressd/ctl/main.h"
#include "support/temporary_directory.h"

using namespace egressd;
using control::Json;

namespace {

// Who holds each egress IP, and which nodes are drained, at one moment.
struct Moment {
  std::vector<std::pair<std::string, std::string>> held;
  std::vector<std::string> drained = {};
  std::string state = "held";
};

Json StatusAt(const Moment& moment) {
  Json::Array nodes, ips;
  for (const std::string name : {"gw1", "gw2"}) {
    const bool drained = std::ranges::find(moment.drained, name) != moment.drained.end();
    nodes.push_back(Json::Object{{"name", name}, {"state", drained ? "drained" : "alive"}});
  }
  for (const auto& [ip, node] : moment.held) ips.push_back(Json::Object{{"ip", ip}, {"node", node}, {"state", moment.state}});
  return Json::Object{{"cluster", Json::Object{{"nodes", nodes}}}, {"egress_ips", ips}};
}

struct Told {
  int exit_code = -1;
  std::string text;     // both streams; how long something took is "N ms"
  Json order;           // the parameters of the order
};

// Runs egressctl in a child process against a daemon that answers the order like this and shows these moments, the last one for ever.
Told Run(std::vector<std::string> words, const std::function<void(control::Call&)>& answer, std::vector<Moment> moments) {
  const test::TemporaryDirectory directory;
  const std::string socket = directory.path() / "control.sock";
  Told told;
  std::size_t looks = 0;
  auto server = control::Server::Open({.path = socket}, [&](const std::shared_ptr<control::Call>& call) {
    if (call->method() == "GetStatus") return call->Reply(StatusAt(moments.at(std::min(looks++, moments.size() - 1))));
    told.order = call->parameters();
    answer(*call);
  });
  REQUIRE(server);
  words.insert(words.begin(), {"egressctl", "--socket", socket});
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::cout.flush();
  std::fflush(nullptr);  // else the child says again what was said so far
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]), ::close(ends[1]);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    ::_exit(ctl::Main(static_cast<int>(arguments.size()), arguments.data()));
  }
  ::close(ends[1]);
  const Fd output(ends[0]);
  for (bool open = true; open;) {
    pollfd waiting[] = {{.fd = server->fd(), .events = POLLIN, .revents = 0}, {.fd = output.get(), .events = POLLIN, .revents = 0}};
    REQUIRE(::poll(waiting, 2, 20'000) > 0);
    server->Process();
    if (waiting[1].revents == 0) continue;
    char buffer[4096];
    const ssize_t size = ::read(output.get(), buffer, sizeof buffer);
    open = size > 0;
    if (open) told.text.append(buffer, static_cast<std::size_t>(size));
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  told.exit_code = WEXITSTATUS(status);
  told.text = std::regex_replace(told.text, std::regex("\\b[0-9]+ ms\\b"), "N ms");
  told.text = std::regex_replace(told.text, std::regex("\"ms\": [0-9]+"), "\"ms\": N");
  return told;
}

std::function<void(control::Call&)> Replies(Json reply) {
  return [reply = std::move(reply)](control::Call& call) { call.Reply(reply); };
}
std::function<void(control::Call&)> Refuses(const char* error, std::string message) {
  return [error, message = std::move(message)](control::Call& call) { call.Fail(error, Json::Object{{"message", message}}); };
}
Json Drained(Json::Array ips, bool changed) { return Json::Object{{"node", "gw1"}, {"changed", changed}, {"egress_ips", std::move(ips)}}; }
Json Moved(bool changed) { return Json::Object{{"ip", "203.0.113.7"}, {"from", "gw1"}, {"node", "gw2"}, {"changed", changed}}; }

}  // namespace

TEST_CASE("drain tells of each egress IP as it arrives, and ends when the node holds nothing") {
  const auto told = Run({"drain", "gw1"}, Replies(Drained({"203.0.113.7", "203.0.113.8"}, true)),
                        {{{{"203.0.113.7", "gw1"}, {"203.0.113.8", "gw1"}, {"203.0.113.9", "gw2"}}},
                         {{{"203.0.113.7", "gw1"}, {"203.0.113.8", "gw2"}, {"203.0.113.9", "gw2"}}, {"gw1"}},
                         {{{"203.0.113.7", "gw2"}, {"203.0.113.8", "gw2"}, {"203.0.113.9", "gw2"}}, {"gw1"}}});
  CHECK(told.text == "203.0.113.8 → gw2\n203.0.113.7 → gw2\ngw1 drained: 2 egress IPs moved in N ms\n");
  CHECK(told.exit_code == 0);
  CHECK(told.order == Json::Object{{"node", "gw1"}});
}

TEST_CASE("drain waits for an egress IP that is on its way, and for one that the node took meanwhile") {
  const auto told = Run({"drain"}, Replies(Drained({"203.0.113.7"}, true)),
                        {{{{"203.0.113.7", "gw2"}}, {"gw1"}, "moving"},
                         {{{"203.0.113.7", ""}, {"203.0.113.8", "gw1"}}, {"gw1"}},
                         {{{"203.0.113.7", "gw2"}, {"203.0.113.8", "gw1"}}, {"gw1"}},
                         {{{"203.0.113.7", "gw2"}, {"203.0.113.8", "gw2"}}, {"gw1"}}});
  CHECK(told.text == "203.0.113.7 → gw2\ngw1 drained: 1 egress IP moved in N ms\n");
  CHECK(told.exit_code == 0);
  CHECK(told.order == Json::Object{});
}

TEST_CASE("drain says so when there is nothing to do") {
  auto told = Run({"drain"}, Replies(Drained({}, true)), {{{}, {}}, {{}, {"gw1"}}});
  CHECK(told.text == "gw1 drained: it held nothing\n");
  CHECK(told.exit_code == 0);
  told = Run({"drain"}, Replies(Drained({}, false)), {{{}, {"gw1"}}});
  CHECK(told.text == "gw1 was drained already and holds nothing\n");
  CHECK(told.exit_code == 0);
  told = Run({"drain", "-q"}, Replies(Drained({}, false)), {{{}, {"gw1"}}});
  CHECK(told.text.empty());
}

TEST_CASE("drain --for sends whole seconds and says how long it lasts") {
  auto told = Run({"drain", "--for", "10m"}, Replies(Drained({}, true)), {{{}, {"gw1"}}});
  CHECK(told.text == "gw1 drained for 10m: it held nothing\n");
  CHECK(told.order == Json::Object{{"seconds", 600}});
  told = Run({"drain", "gw1", "--for", "1500ms"}, Replies(Drained({}, false)), {{{}, {"gw1"}}});
  CHECK(told.text == "gw1 was drained already and holds nothing; this ends in 1500ms\n");
  CHECK(told.order == Json::Object{{"node", "gw1"}, {"seconds", 2}});
  told = Run({"drain", "--for", "90"}, Replies(Drained({}, true)), {{{}, {"gw1"}}});
  CHECK(told.text == "gw1 drained for 90s: it held nothing\n");
}

TEST_CASE("drain gives up waiting, says what is where, and lets the order stand") {
  auto told = Run({"drain", "--wait", "60ms"}, Replies(Drained({"203.0.113.7", "203.0.113.8"}, true)),
                  {{{{"203.0.113.7", "gw1"}, {"203.0.113.8", ""}}, {"gw1"}}});
  CHECK(told.text ==
        "egressctl: not within 60ms: gw1 holds 203.0.113.7, nobody holds 203.0.113.8\n"
        "  try  the order stands; egressctl get gateways shows who else could take them\n");
  CHECK(told.exit_code == 6);
  told = Run({"drain", "--wait", "0"}, Replies(Drained({}, true)), {{{}, {}}});
  CHECK(told.text == "egressctl: not within 0s: gw1 has not said that it is drained\n  try  the order stands; egressctl get nodes\n");
  CHECK(told.exit_code == 6);
}

TEST_CASE("drain -o json is one object, also when time is over") {
  const auto told = Run({"-o", "json", "drain", "--wait", "60ms"}, Replies(Drained({"203.0.113.7", "203.0.113.8"}, true)),
                        {{{{"203.0.113.7", "gw1"}, {"203.0.113.8", "gw2"}}, {"gw1"}}});
  CHECK(told.text == R"({
  "schema": "egressd.drain/v1",
  "node": "gw1",
  "changed": true,
  "drained": true,
  "for_seconds": null,
  "moved": [
    {
      "ip": "203.0.113.8",
      "to": "gw2",
      "ms": N
    }
  ],
  "remaining": [
    {
      "ip": "203.0.113.7",
      "node": "gw1"
    }
  ]
}
)");
  CHECK(told.exit_code == 6);
}

TEST_CASE("an order for a node that is not there is exit 5, for one that is dead exit 1") {
  auto told = Run({"drain", "gw9"}, Refuses(control::kNoSuchObject, "there is no node gw9"), {{}});
  CHECK(told.text == "egressctl: there is no node gw9\n");
  CHECK(told.exit_code == 5);
  told = Run({"undrain", "gw2"}, Refuses(control::kRefused, "gw2 is dead: it can neither be told nor hold anything"), {{}});
  CHECK(told.text == "egressctl: gw2 is dead: it can neither be told nor hold anything\n");
  CHECK(told.exit_code == 1);
}

TEST_CASE("undrain says whether there was something to end") {
  auto told = Run({"undrain", "gw1"}, Replies(Json::Object{{"node", "gw1"}, {"changed", true}}), {{}});
  CHECK(told.text == "gw1 takes egress IPs again\n");
  told = Run({"undrain"}, Replies(Json::Object{{"node", "gw1"}, {"changed", false}}), {{}});
  CHECK(told.text == "gw1 was not drained\n");
  CHECK(told.exit_code == 0);
  told = Run({"undrain", "-o", "yaml"}, Replies(Json::Object{{"node", "gw1"}, {"changed", false}}), {{}});
  CHECK(told.text == "schema: egressd.undrain/v1\nnode: gw1\nchanged: false\n");
}

TEST_CASE("move waits until the address is held where it was sent") {
  const auto told = Run({"move", "203.0.113.7", "gw2"}, Replies(Moved(true)),
                        {{{{"203.0.113.7", "gw1"}}}, {{{"203.0.113.7", "gw1"}}, {}, "moving"}, {{{"203.0.113.7", "gw2"}}, {}, "moving"},
                         {{{"203.0.113.7", "gw2"}}}});
  CHECK(told.text == "203.0.113.7 → gw2 in N ms\n");
  CHECK(told.exit_code == 0);
  CHECK(told.order == Json::Object{{"ip", "203.0.113.7"}, {"node", "gw2"}});
}

TEST_CASE("move says so when there is nothing to do") {
  auto told = Run({"move", "203.0.113.7", "gw2"}, Replies(Moved(false)), {{}});
  CHECK(told.text == "gw2 holds 203.0.113.7 already\n");
  CHECK(told.exit_code == 0);
  told = Run({"move", "203.0.113.7", "gw2", "-o", "json"}, Replies(Moved(false)), {{}});
  CHECK(told.text == R"({
  "schema": "egressd.move/v1",
  "ip": "203.0.113.7",
  "from": "gw1",
  "node": "gw2",
  "changed": false,
  "moved": false,
  "ms": null
}
)");
}

TEST_CASE("move that is refused gives the reason; that comes to nothing in time, exit 6; whose address is gone meanwhile, exit 5") {
  auto told = Run({"move", "203.0.113.7", "gw2"}, Refuses(control::kRefused, "gw2 is drained"), {{}});
  CHECK(told.text == "egressctl: gw2 is drained\n");
  CHECK(told.exit_code == 1);
  told = Run({"move", "203.0.113.7", "gw2", "--wait", "60ms"}, Replies(Moved(true)), {{{{"203.0.113.7", "gw1"}}}});
  CHECK(told.text == "egressctl: not within 60ms: gw1 holds 203.0.113.7\n  try  the order stands; egressctl get ips\n");
  CHECK(told.exit_code == 6);
  told = Run({"move", "203.0.113.7", "gw2"}, Replies(Moved(true)), {{{{"203.0.113.7", "gw1"}}}, {{}}});
  CHECK(told.text == "egressctl: no policy uses 203.0.113.7 any more\n");
  CHECK(told.exit_code == 5);
}
