// From captured bytes to workloads: HTTP, JSON objects, containers.
#include "discover/container.h"

#include <format>
#include <map>
#include <vector>

#include "discover/http.h"
#include "discover/json_objects.h"
#include "unit/discover/captured.h"

namespace egressd::discover {
namespace {

struct Answer {
  int status = 0;
  std::string version;
  std::string body;
  bool complete = false;
  Result<void> done;
};

Answer Read(std::string_view bytes, std::size_t step) {
  Answer answer;
  HttpReader reader;
  reader.Expect([&](std::string_view piece) {
    answer.body += piece;
    return Result<void>();
  });
  for (std::size_t at = 0; at < bytes.size() && answer.done; at += step) answer.done = reader.Feed(bytes.substr(at, step));
  answer.status = reader.status();
  answer.version = reader.api_version();
  answer.complete = reader.is_complete();
  return answer;
}

std::vector<std::string> Objects(std::string_view text, std::size_t step) {
  std::vector<std::string> objects;
  JsonObjects cutter([&](std::string_view object) {
    objects.emplace_back(object);
    return Result<void>();
  });
  for (std::size_t at = 0; at < text.size(); at += step) REQUIRE(cutter.Feed(text.substr(at, step)));
  CHECK(cutter.is_whole());
  return objects;
}

std::vector<std::string> Addresses(const Container& container) {
  std::vector<std::string> texts;
  for (const IpAddress& address : container.workload.addresses) texts.push_back(address.ToString());
  return texts;
}
using Texts = std::vector<std::string>;

Container Inspected(const std::string& name) {
  auto container = ParseInspected(Read(test::Captured(name), 4096).body);
  REQUIRE(container.has_value());
  return *container;
}

std::string Listed(std::string_view members) {
  return std::format(R"({{"Id":"0123456789ab","Names":["/n"],"State":"running",{}}})", members);
}

TEST_CASE("answers are read however they are cut") {
  for (const std::size_t step : {1UZ, 7UZ, 100UZ, 100'000UZ}) {
    const Answer list = Read(test::Captured("list"), step);
    REQUIRE(list.done);
    CHECK(list.complete);
    CHECK(list.status == 200);
    CHECK(Objects(list.body, step).size() == 6);
    const Answer ping = Read(test::Captured("ping"), step);
    CHECK(ping.complete);
    CHECK(ping.version == "1.41");
    CHECK(ping.body == "OK");
    CHECK(Read(test::Captured("nosuch"), step).status == 404);
    const Answer events = Read(test::Captured("events"), step);
    CHECK(events.done);
    CHECK(!events.complete);  // it goes on for ever
  }
}

TEST_CASE("what is no answer is refused, and so is what nobody asked for") {
  CHECK(!Read("SSH-2.0-OpenSSH_9.2\r\n", 100).done);
  CHECK(!Read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n", 100).done);
  CHECK(!Read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP/1.1 200 OK\r\n\r\n", 1000).done);
  CHECK(!Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 100).done);
  CHECK(!Read("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'), 1000).done);
  HttpReader idle;
  CHECK(!idle.Feed("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("a reader takes one answer after the other") {
  HttpReader reader;
  for (int i = 0; i < 3; ++i) {
    std::string body;
    reader.Expect([&](std::string_view piece) {
      body += piece;
      return Result<void>();
    });
    REQUIRE(reader.Feed(test::Captured(i == 1 ? "web" : "ping")));
    CHECK(reader.is_complete());
    CHECK(reader.may_go_on());
    CHECK(body.starts_with(i == 1 ? "{" : "OK"));
  }
}

TEST_CASE("objects are cut out of lists and streams, bounded") {
  CHECK(Objects(R"([{"a":"]}\"{"},{"b":[{}]}])", 1) == Texts{R"({"a":"]}\"{"})", R"({"b":[{}]})"});
  CHECK(Objects("{}\n{}\x1e{}", 2).size() == 3);
  CHECK(Objects("[]", 1).empty());
  const auto refused = [](std::string_view text) {
    JsonObjects cutter([](std::string_view) { return Result<void>(); });
    return !cutter.Feed(text);
  };
  CHECK(refused("[["));
  CHECK(refused("]"));
  CHECK(refused("null"));
  CHECK(refused(std::string(33, '{')));
  CHECK(refused("{\"a\":\"" + std::string(JsonObjects::kLargestObject, 'x')));
}

TEST_CASE("podman's list") {
  std::map<std::string, Container> found;
  for (const std::string& object : Objects(Read(test::Captured("list"), 4096).body, 4096)) {
    auto container = ParseListed(object);
    REQUIRE(container);
    found.emplace(container->workload.name, *container);
  }
  CHECK(Addresses(found.at("web")) == Texts{"172.18.0.2", "172.19.0.2", "fd00:18::2"});
  CHECK(found.at("web").workload.labels == policy::Labels{{"app", "visitor"}, {"com.docker.compose.project", "shop"}});
  CHECK(found.at("web").workload.namespace_ == "shop");
  CHECK(Addresses(found.at("paused")) == Texts{"172.18.0.3", "fd00:18::3"});
  CHECK(found.at("paused").workload.labels.at("odd") == R"({"a":"]"})");
  CHECK(found.at("paused").workload.namespace_ == "edge");
  CHECK(found.at("hostnet").workload.addresses.empty());
  CHECK(found.at("hostnet").workload.namespace_ == "default");
  CHECK(found.at("gone").workload.addresses.empty());
  CHECK(Addresses(found.at("inited")).size() == 2);
  CHECK(Addresses(found.at("sharer")) == Addresses(found.at("web")));  // only a look tells
}

TEST_CASE("podman's single containers") {
  CHECK(Addresses(Inspected("web")) == Texts{"172.18.0.2", "172.19.0.2", "fd00:18::2"});
  CHECK(Inspected("web").workload.name == "web");
  CHECK(Inspected("web").workload.namespace_ == "shop");
  CHECK(Inspected("sharer").workload.addresses.empty());
  CHECK(Inspected("gone").workload.addresses.empty());
  CHECK(Inspected("hostnet").workload.addresses.empty());
  CHECK(Addresses(Inspected("inited")).size() == 2);
}

TEST_CASE("podman's events are hints about containers") {
  std::vector<std::string> actions;
  const auto events = Objects(Read(test::Captured("events"), 4096).body, 4096);
  CHECK(events.size() > 15);
  for (const std::string& event : events) {
    const auto hint = ParseEvent(event);
    REQUIRE(hint);
    REQUIRE(*hint);
    CHECK((*hint)->size() == 64);
  }
  const auto hint = [](std::string_view type, std::string_view action, std::string_view more = "") {
    return *ParseEvent(
        std::format(R"({{"Type":"{}","Action":"{}","Actor":{{"ID":"aaaaaaaaaaaa","Attributes":{{{}}}}}}})", type, action, more));
  };
  CHECK(hint("container", "start") == "aaaaaaaaaaaa");
  CHECK(!hint("container", "exec_create: sh -c true"));
  CHECK(!hint("container", "health_status: healthy"));
  CHECK(hint("network", "connect", R"("container":"bbbbbbbbbbbb")") == "bbbbbbbbbbbb");
  CHECK(!hint("network", "create"));
  CHECK(!hint("image", "pull"));
  CHECK(!*ParseEvent("{}"));
  CHECK(!*ParseEvent(R"({"Type":"container","Action":"start","Actor":{"ID":"../../etc"}})"));
  CHECK(!ParseEvent("{"));
}

TEST_CASE("what is not what it should be is left out; an identity that is none is an error") {
  CHECK(!ParseListed("{}"));
  CHECK(!ParseListed(R"({"Id":"0123456789ab/../../version"})"));
  CHECK(!ParseListed("[]"));
  CHECK(!ParseListed(std::string("{\0}", 3)));
  const auto networks = [](std::string_view network) {
    return Addresses(*ParseListed(Listed(std::format(R"("NetworkSettings":{{"Networks":{{"a":{}}}}})", network))));
  };
  CHECK(networks(R"({"IPAddress":"172.18.0.2","GlobalIPv6Address":"2001:db8::2"})") == Texts{"172.18.0.2", "2001:db8::2"});
  CHECK(networks(R"({"IPAddress":"0.0.0.0","GlobalIPv6Address":"fe80::1"})").empty());
  CHECK(networks(R"({"IPAddress":"127.0.0.1","GlobalIPv6Address":"::ffff:1.2.3.4"})").empty());
  CHECK(networks(R"({"IPAddress":17,"GlobalIPv6Address":null})").empty());
  CHECK(networks("7").empty());
  const auto named = [](std::string_view names) {
    return ParseListed(std::format(R"({{"Id":"0123456789abcdef","Names":{}}})", names))->workload.name;
  };
  CHECK(named(R"(["/other/alias","/real"])") == "real");
  CHECK(named(R"(["/\u001b[31m"])") == "0123456789ab");
  CHECK(named("null") == "0123456789ab");
  CHECK(ParseListed(Listed(R"("Labels":{"egressd.namespace":"a b"})"))->workload.namespace_ == "default");
  CHECK(ParseListed(Listed(R"("Labels":{"egressd.namespace":"a","com.docker.compose.project":"b"})"))->workload.namespace_ == "b");
  const std::string shared =
      R"("HostConfig":{"NetworkMode":"container:x"},"NetworkSettings":{"Networks":{"a":{"IPAddress":"172.18.0.2"}}})";
  CHECK(ParseListed(Listed(shared))->workload.addresses.empty());
}

TEST_CASE("versions of the API") {
  CHECK(IsApiVersion("1.41"));
  CHECK(!IsApiVersion("1"));
  CHECK(!IsApiVersion("1."));
  CHECK(!IsApiVersion(".1"));
  CHECK(!IsApiVersion("1.41/../x"));
  CHECK(!IsApiVersion("1.99999999999"));
}

}  // namespace
}  // namespace egressd::discover
