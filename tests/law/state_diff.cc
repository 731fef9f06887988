// Apply(Diff(a, b), a) == b for all states, and Diff(a, a) is empty.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::state {
namespace {

// Few different values, so that two random states share keys and differ in attributes.
std::uint32_t Few() { return *rc::gen::inRange<std::uint32_t>(0, 4); }
std::string Name() { return std::string(1, static_cast<char>('a' + Few())); }
bool Coin() { return *rc::gen::inRange(0, 2) == 1; }
Family AnyFamily() { return Coin() ? Family::kIpv4 : Family::kIpv6; }
MacAddress AnyMac() { return {.bytes = {0, 0, 0, 0, 0, static_cast<std::uint8_t>(Few())}}; }
NftName AnyName() { return {.family = Coin() ? NftFamily::kInet : NftFamily::kArp, .name = Name()}; }
IpAddress AnyAddress() {
  if (AnyFamily() == Family::kIpv4) return IpAddress::Ipv4(Few());
  std::array<std::uint8_t, 16> bytes{};
  bytes[15] = static_cast<std::uint8_t>(Few());
  return IpAddress::Ipv6(bytes);
}
NftVerdict AnyVerdict() { return {.code = Coin() ? NftVerdict::Code::kDrop : NftVerdict::Code::kGoto, .chain = Name()}; }

void Fill(Sysctl& o) { o = {.key = {Name()}, .value = Name()}; }
void Fill(Link& o) { o = {.key = {Name()}, .vni = Few(), .local = AnyAddress(), .mtu_bytes = Few(), .up = Coin()}; }
void Fill(Vlan& o) { o = {.key = {Name()}, .parent = Name(), .id = static_cast<std::uint16_t>(Few()), .up = Coin()}; }
void Fill(Address& o) { o = {.key = {Name(), Prefix::Of(AnyAddress())}}; }
void Fill(EgressAddress& o) {
  o = {.key = {Name(), AnyAddress()}, .lifetime = {}, .prefix_route = Coin()};
  if (Coin()) o.lifetime = std::chrono::seconds(1 + Few());
}
void Fill(Neighbour& o) { o = {.key = {Name(), AnyAddress()}, .mac = AnyMac()}; }
void Fill(FdbEntry& o) { o = {.key = {Name(), AnyMac()}, .destination = AnyAddress()}; }
void Fill(Route& o) {
  o = {.key = {Few(), Prefix::Of(AnyAddress())}, .device = Name(), .next_hop = Coin() ? std::optional(AnyAddress()) : std::nullopt};
}
void Fill(Rule& o) { o.key = {.family = AnyFamily(), .priority = Few(), .mark = Few(), .table = Few()}; }
void Fill(NftTable& o) { o.key = {.family = AnyName().family, .name = Name()}; }
void Fill(NftCounter& o) { o.key = AnyName(); }
void Fill(NftLimit& o) { o = {.key = AnyName(), .rate_bytes = Few(), .extra_bytes = Few()}; }
void Fill(NftSet& o) {
  o = {.key = AnyName(), .type = Coin() ? NftSet::Type::kIpv4 : NftSet::Type::kMark, .intervals = Coin(), .timeouts = Coin()};
}
void Fill(NftElement& o) {
  o = {.key = {AnyName(), NftBytes::Mark(Few()), NftBytes::Mark(Few())}};
  if (Coin()) o.value = AnyVerdict();
  else if (Coin()) o.value = NftLimitName{.name = Name()};
  else o.value = NftBytes::Mark(Few());
  if (Coin()) o.timeout = kTimeoutGrain * Few();
}
void Fill(NftChain& o) {
  o.key = AnyName();
  if (Coin()) o.hook = NftHook{.priority = static_cast<std::int32_t>(Few())};
  for (std::uint32_t rules = Few(); rules > 0; --rules) o.rules.push_back(Seal({.text = Name()}));
}

State AnyState() {
  State state;
  ForEachKind(
      []<typename Key, typename Kind>(std::map<Key, Kind>& objects) {
        for (std::uint32_t count = Few() * 2; count > 0; --count) {
          Kind object;
          Fill(object);
          Put(objects, std::move(object));
        }
      },
      state);
  return state;
}

}  // namespace

TEST_CASE("applying the difference of any two states to the first gives the second") {
  CHECK(rc::check([] {
    const State a = AnyState();
    const State b = AnyState();
    State state = a;
    Apply(Diff(a, b), state);
    RC_ASSERT(state == b);
  }));
}

TEST_CASE("a state does not differ from itself") {
  CHECK(rc::check([] {
    const State a = AnyState();
    RC_ASSERT(Diff(a, a).empty());
  }));
}

TEST_CASE("an egress address is never taken before it is released, and nothing else is in those phases") {
  CHECK(rc::check([] {
    const Transaction transaction = Diff(AnyState(), AnyState());
    for (const Step& step : transaction.release) {
      RC_ASSERT(std::holds_alternative<EgressAddress>(step.object));
      RC_ASSERT(step.operation == Operation::kRemove);
    }
    for (const Step& step : transaction.take) {
      RC_ASSERT(std::holds_alternative<EgressAddress>(step.object));
      RC_ASSERT(step.operation != Operation::kRemove);  // kReplace: another lifetime
    }
    for (const Step& step : transaction.build) RC_ASSERT(step.operation != Operation::kRemove);
    for (const Step& step : transaction.clean) RC_ASSERT(step.operation == Operation::kRemove);
  }));
}

}  // namespace egressd::state
