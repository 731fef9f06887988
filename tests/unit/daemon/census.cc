#include "daemon/census.h"

#include <doctest/doctest.h>

#include "egressd/kernel/conntrack.h"
#include "egressd/plan/plan.h"

namespace egressd::daemon {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17, kIcmp = 1;

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

kernel::Connection To(std::string_view destination, std::uint16_t port, std::uint8_t protocol, std::uint32_t mark, std::string_view as) {
  return {.source = Ip("172.17.0.2"), .destination = Ip(destination), .protocol = protocol, .destination_port = port,
          .translated_source = Ip(as), .mark = mark};
}

TEST_CASE("census: connections count for their egress id, foreign marks for none") {
  TrackedCounter counter;
  counter.Add(To("198.51.100.7", 443, kTcp, plan::kDecided | 5, "203.0.113.10"));
  counter.Add(To("198.51.100.7", 443, kTcp, plan::kDecided | 5, "203.0.113.10"));
  counter.Add(To("198.51.100.7", 443, kTcp, 5, "10.0.0.1"));
  counter.Add(To("198.51.100.7", 443, kTcp, plan::kDecided | kDirectMark, "10.0.0.1"));
  const Tracked tracked = counter.Finish();
  CHECK(tracked.Of(EgressId{5}) == 2);
  CHECK(tracked.Of(EgressId{6}) == 0);
  CHECK(tracked.by_decision == std::map<std::uint16_t, std::size_t>{{0, 1}, {5, 2}, {kDirectMark, 1}});
  REQUIRE(tracked.translated.size() == 1);
  CHECK(tracked.translated.at(Ip("203.0.113.10")).connections == 2);
}

TEST_CASE("census: the busiest destination of an address counts, by address, protocol and port") {
  TrackedCounter counter;
  const auto add = [&](int times, std::string_view destination, std::uint16_t port, std::uint8_t protocol, std::string_view as) {
    for (int i = 0; i < times; ++i) counter.Add(To(destination, port, protocol, plan::kDecided | 1, as));
  };
  add(3, "198.51.100.7", 443, kTcp, "203.0.113.10");
  add(2, "198.51.100.7", 443, kUdp, "203.0.113.10");
  add(2, "198.51.100.7", 80, kTcp, "203.0.113.10");
  add(2, "198.51.100.8", 443, kTcp, "203.0.113.10");
  add(9, "198.51.100.8", 0, kIcmp, "203.0.113.10");
  add(4, "198.51.100.7", 443, kTcp, "203.0.113.11");
  const Tracked tracked = counter.Finish();
  CHECK(tracked.translated.at(Ip("203.0.113.10")).connections == 18);
  CHECK(tracked.translated.at(Ip("203.0.113.10")).most_ports == 3);
  CHECK(tracked.translated.at(Ip("203.0.113.11")).most_ports == 4);
}

}  // namespace
}  // namespace egressd::daemon
