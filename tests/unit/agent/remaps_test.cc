#include <doctest/doctest.h>

#include "agent/connections.h"

namespace egressd::agent {
namespace {

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

const plan::TunnelIdentity kSelf{.ipv4 = Ip("198.19.0.5"), .ipv6 = Ip("fd65::5"), .mac = {}};

state::Translation Changed(EgressId id, std::uint16_t port, std::uint16_t translated, std::string_view destination = "198.51.100.7") {
  const IpAddress to = Ip(destination);
  return {.id = id,
          .protocol = 6,
          .source = to.family() == Family::kIpv4 ? kSelf.ipv4 : kSelf.ipv6,
          .destination = to,
          .source_port = port,
          .destination_port = 443,
          .translated_port = translated,
          .answered = true};
}

}  // namespace

TEST_CASE("a changed port is known again by what the source node knows of the connection") {
  Remaps remaps;
  remaps.Learn(Changed({1}, 1000, 40000));
  state::Translation same = Changed({1}, 1000, 0), other = Changed({1}, 1001, 0);
  remaps.Complete(same);
  remaps.Complete(other);
  CHECK(same.translated_port == 40000);
  CHECK(other.translated_port == 1001);
}

TEST_CASE("what is known of one id can be told without a look into the kernel") {
  Remaps remaps;
  const std::vector<state::Translation> of_two{Changed({2}, 1000, 40001), Changed({2}, 1001, 40002, "2001:db8::7")};
  remaps.Learn(Changed({1}, 1000, 40000));
  for (const state::Translation& translation : of_two) remaps.Learn(translation);
  remaps.Learn(Changed({3}, 1000, 40003));
  CHECK(remaps.Of({2}, kSelf) == of_two);
  CHECK(remaps.Of({4}, kSelf).empty());
  CHECK(remaps.Knows({3}));
  remaps.Keep({{2}}, {of_two[1]});  // the other one has ended
  CHECK(remaps.Of({2}, kSelf) == std::vector{of_two[1]});
  CHECK(remaps.Knows({1}));
}

}  // namespace egressd::agent
