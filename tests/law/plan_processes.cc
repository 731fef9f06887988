// The rules of the output hook, carried out one expression after the other, against what policy::Select says of the same process.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "egressd/plan/plan.h"
#include "law/policy_generate.h"

namespace egressd::plan {
namespace {

using namespace policy::law;
using state::NftBytes;
using state::State;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

// The first packet of a connection that a process of this host makes.
struct Packet {
  std::map<std::uint8_t, std::uint64_t> cgroups;  // level → id
  std::uint32_t user = 0;
  IpAddress source;
};

// The kernel's virtual machine, as far as these rules go (net/netfilter/nf_tables_core.c).
class Machine {
 public:
  Machine(const State& state, const Packet& packet) : state_(state), packet_(packet) {}

  // The connection mark with which the packet goes on to a class or a decision; nullopt = nothing selects it.
  std::optional<std::uint32_t> Run(const std::string& chain) {
    for (const state::NftRule& rule : state_.chains.at({.name = chain}).rules) {
      mark_.reset();
      end_.reset();
      const bool through = std::ranges::all_of(rule.expressions, [&](const state::NftExpression& expression) {
        return std::visit([&](const auto& each) { return Do(each); }, expression);
      });
      if (!through || !end_) continue;
      if (end_->code == state::NftVerdict::Code::kGoto && end_->chain == "dispatch_own") return mark_;
      if (end_->code == state::NftVerdict::Code::kGoto && end_->chain == "unknown_unit") unknown_ = true;
      return std::nullopt;
    }
    return std::nullopt;
  }
  bool unknown() const { return unknown_; }

 private:
  static std::size_t Place(state::NftRegister reg) { return reg >= 8 ? (reg - 8U) * 4 : (reg - 1U) * 16; }
  void Load(state::NftRegister reg, const NftBytes& bytes) {
    std::ranges::copy(bytes.bytes(), registers_.begin() + static_cast<std::ptrdiff_t>(Place(reg)));
  }
  NftBytes Read(state::NftRegister reg, std::size_t size) const { return NftBytes(std::span(registers_).subspan(Place(reg), size)); }

  bool Do(const state::NftMeta& meta) {
    using Key = state::NftMeta::Key;
    if (meta.store) return true;
    if (meta.key == Key::kSkuid) return Load(meta.reg, NftBytes::NetworkOrder(packet_.user)), true;
    if (meta.key == Key::kNfproto) return Load(meta.reg, NftBytes::Byte(packet_.source.family() == Family::kIpv4 ? 2 : 10)), true;
    if (meta.key == Key::kL4proto) return Load(meta.reg, NftBytes::Byte(6)), true;
    return Load(meta.reg, NftBytes::Mark(0)), true;
  }
  bool Do(const state::NftCt& ct) {
    if (ct.store) mark_ = Read(ct.reg, 4).as_mark();
    if (!ct.store && ct.key == state::NftCt::Key::kDirection) Load(ct.reg, NftBytes::Byte(0));
    if (!ct.store && ct.key == state::NftCt::Key::kState) Load(ct.reg, NftBytes::Mark(state::kCtStateNew));
    if (!ct.store && ct.key == state::NftCt::Key::kMark) Load(ct.reg, NftBytes::Mark(0));
    return true;
  }
  bool Do(const state::NftCgroup& cgroup) {
    const auto found = packet_.cgroups.find(cgroup.level);
    if (found == packet_.cgroups.end()) return false;
    Load(cgroup.reg, NftBytes::Cgroup(found->second));
    return true;
  }
  bool Do(const state::NftPayload& payload) {
    const std::uint32_t offset = payload.length_bytes == 4 ? 12 : 8;
    const bool is_source = payload.base == state::NftPayload::Base::kNetwork && payload.offset_bytes == offset;
    if (is_source) Load(payload.reg, NftBytes::Of(packet_.source));
    return is_source;
  }
  bool Do(const state::NftCompare& compare) { return (Read(compare.reg, compare.value.bytes().size()) == compare.value) != compare.negate; }
  bool Do(const state::NftBitwise&) { return true; }
  bool Do(const state::NftImmediate& immediate) { return Load(immediate.reg, immediate.value), true; }
  bool Do(const state::NftVerdict& verdict) { return end_ = verdict, true; }
  bool Do(const state::NftLookup& lookup) {
    const state::NftSet& set = state_.sets.at({.name = lookup.set});
    const NftBytes key = Read(lookup.reg, state::Bytes(set.type));
    for (const auto& [name, element] : state_.elements) {
      if (name.set != set.key) continue;
      // Field by field, as nft_set_pipapo.c does; 4 bytes each, but for the address, which stands last.
      bool inside = true;
      for (std::size_t at = 0; at < key.bytes().size() && inside;) {
        const std::size_t size = at < 8 && set.intervals ? 4 : key.bytes().size() - at;
        const auto Field = [&](const NftBytes& bytes) { return bytes.bytes().subspan(at, size); };
        inside = !std::ranges::lexicographical_compare(Field(key), Field(name.first)) &&
                 !std::ranges::lexicographical_compare(Field(name.last), Field(key));
        at += size;
      }
      if (!inside) continue;
      if (lookup.result == state::NftLookup::Result::kValue) Load(lookup.value_reg, std::get<NftBytes>(element.value));
      return !lookup.negate;
    }
    return lookup.negate;
  }
  template <typename Other>
  bool Do(const Other&) { return false; }

  const State& state_;
  const Packet& packet_;
  std::array<std::uint8_t, 64> registers_{};
  std::optional<std::uint32_t> mark_;
  std::optional<state::NftVerdict> end_;
  bool unknown_ = false;
};

Packet PacketOf(const std::vector<policy::Cgroup>& cgroups, const std::string& path, std::uint32_t user, const IpAddress& source) {
  Packet packet{.cgroups = {}, .user = user, .source = source};
  for (const policy::Cgroup& cgroup : cgroups) {
    if (path != cgroup.path && !path.starts_with(cgroup.path + "/")) continue;
    packet.cgroups[static_cast<std::uint8_t>(std::ranges::count(cgroup.path, '/'))] = cgroup.id;
  }
  return packet;
}

}  // namespace

TEST_CASE("the rules for the host's own traffic find what policy::Select finds") {
  CHECK(rc::check("output agrees with Selection", [] {
    policy::NodeConfig config;
    config.node.name = "n1";
    state::Host host;
    host.devices = {{.name = "eth0", .mtu_bytes = 1500, .addresses = {Prefix{Ip("192.0.2.1"), 24}}}};
    policy::PolicySet set = ArbitrarySet();
    set.pools["pool"] = {.name = "pool", .ipv4 = {AddressRange::Parse("192.0.2.100-192.0.2.200").value()}};
    set.gateways["g"] = {.name = "g", .is_default = true, .nodes = {.names = {"n2"}}, .pools = {"pool"}};
    const std::vector<policy::Binding> bindings = policy::Bind(set, {}).value().bindings;
    policy::Selection selection(set, "n1");
    Inputs inputs{.config = &config, .selection = &selection, .bindings = &bindings, .host = &host, .underlay = Ip("192.0.2.1")};
    inputs.self = IdentityOf(1, config.tunnel);
    selection.SetProcesses(ArbitraryProcesses());
    State state = Build(inputs);
    for (int step = *rc::gen::inRange(0, 3); step > 0; --step) {
      selection.SetProcesses(ArbitraryProcesses());
      State updated = state;
      const State built = Build(inputs);
      if (UpdateProcesses(inputs, updated)) RC_ASSERT(updated == built);
      state = built;
    }
    if (!selection.names_processes()) return;
    const policy::Processes& processes = selection.processes();
    std::vector<IpAddress> sources = processes.addresses;
    sources.push_back(Ip("192.0.2.1"));
    std::vector<std::string> paths{""};
    for (const policy::Cgroup& cgroup : processes.cgroups) paths.push_back(cgroup.path);
    for (const std::string& path : paths) {
      for (const std::uint32_t user : {0U, 1U, 3U, 4294967294U}) {
        for (const IpAddress& source : sources) {
          const policy::Process process{.units = policy::UnitsOf(path), .user = user};
          const policy::Flow flow{.source = source, .destination = {}, .process = process};
          const Packet packet = PacketOf(processes.cgroups, path, user, source);
          Machine machine(state, packet);
          const std::optional<std::uint32_t> mark = machine.Run("output");
          RC_ASSERT_FALSE(machine.unknown());
          const policy::SourceClass* expected = selection.ClassOf(flow);
          RC_ASSERT(mark.has_value() == (expected != nullptr));
          if (!mark) continue;
          if ((*mark & 0x80000000) != 0) {
            RC_ASSERT(*mark == expected->key);
            continue;
          }
          const auto binding = std::ranges::find(bindings, EgressId{DecisionIn(*mark)}, &policy::Binding::id);
          RC_ASSERT(binding != bindings.end());
          RC_ASSERT(expected->interests.size() == 1U);
          RC_ASSERT(binding->policy == expected->interests.front().policy->name);
        }
      }
    }
    // A unit that nobody has heard of yet, where one is expected that fails closed.
    for (const std::uint64_t parent : selection.nursery().parents) {
      const auto cgroup = std::ranges::find(processes.cgroups, parent, &policy::Cgroup::id);
      Packet packet = PacketOf(processes.cgroups, cgroup->path, 3, Ip("192.0.2.1"));
      const auto level = static_cast<std::uint8_t>(std::ranges::count(cgroup->path, '/') + 1);
      packet.cgroups[level] = 9999;
      Machine machine(state, packet);
      machine.Run("output");
      RC_ASSERT(machine.unknown());
    }
  }));
}

}  // namespace egressd::plan
