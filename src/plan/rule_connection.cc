// Words about connections: what conntrack knows, what their marks say, and which process they are of.
#include <format>
#include <utility>

#include "plan/rule.h"
#include "plan/rule_text.h"
#include "plan/skeleton.h"

namespace egressd::plan {
namespace {

using state::NftBytes;
using state::NftCompare;
using state::NftCt;
using state::NftLookup;
using state::NftMeta;

std::string_view StateName(std::uint32_t bit) {
  switch (bit) {
    case state::kCtStateInvalid: return "invalid";
    case state::kCtStateEstablished: return "established";
    case state::kCtStateRelated: return "related";
    case state::kCtStateNew: return "new";
    default: return "untracked";
  }
}

}  // namespace

Words& Words::ConnectionIs(Direction direction) {
  return Add(NftCt{.key = NftCt::Key::kDirection})
      .Add(NftCompare{.value = NftBytes::Byte(static_cast<std::uint8_t>(direction))})
      .Say({direction == Direction::kOriginal ? "ct direction original" : "ct direction reply"});
}

Words& Words::ConnectionState(std::uint32_t any_of) {
  std::string names;
  for (std::uint32_t bit = 1; bit != 0; bit <<= 1) {
    if ((any_of & bit) == 0) continue;
    if (!names.empty()) names += ',';
    names += StateName(bit);
  }
  return Add(NftCt{.key = NftCt::Key::kState})
      .Add(state::NftBitwise{.mask = NftBytes::Mark(any_of), .xor_ = NftBytes::Mark(0)})
      .Add(NftCompare{.value = NftBytes::Mark(0), .negate = true})
      .Say({"ct state " + names});
}

Words& Words::ConnectionMark(std::uint32_t mask, std::uint32_t value) {
  return Add(NftCt{.key = NftCt::Key::kMark})
      .Add(state::NftBitwise{.mask = NftBytes::Mark(mask), .xor_ = NftBytes::Mark(0)})
      .Add(NftCompare{.value = NftBytes::Mark(value)})
      .Say({"ct mark", Masked(mask), " == ", Hexadecimal(value)});
}

Words& Words::ConnectionMarkNot(std::uint32_t mask, std::uint32_t value) {
  return Add(NftCt{.key = NftCt::Key::kMark})
      .Add(state::NftBitwise{.mask = NftBytes::Mark(mask), .xor_ = NftBytes::Mark(0)})
      .Add(NftCompare{.value = NftBytes::Mark(value), .negate = true})
      .Say({"ct mark", Masked(mask), " != ", Hexadecimal(value)});
}

Words& Words::LoadConnectionId() {
  return Add(NftCt{.key = NftCt::Key::kMark}).Add(state::NftBitwise{.mask = NftBytes::Mark(kIdMask), .xor_ = NftBytes::Mark(0)});
}

Words& Words::ConnectionIdIn(std::string_view set_name) {
  return LoadConnectionId().Lookup(set_name).Say({"ct mark & 0xffff @", set_name});
}

Words& Words::ConnectionMarkIn(std::string_view set_name) {
  return Add(NftCt{.key = NftCt::Key::kMark}).Lookup(set_name).Say({"ct mark @", set_name});
}

Words& Words::ConnectionMarkAndSourceIn(Family family, std::string_view set_name) {
  return Need(family).Add(NftCt{.key = NftCt::Key::kMark}).LoadSource(family, kNextWord).Lookup(set_name)
      .Say({"ct mark . ", Ip(family), " saddr @", set_name});
}

Words& Words::OfProcess() { return Add(NftMeta{.key = NftMeta::Key::kSkuid}).Say({"meta skuid"}); }

Words& Words::CgroupIn(std::uint8_t level, std::string_view set_name) {
  return Add(state::NftCgroup{.level = level}).Lookup(set_name)
      .Say({"socket cgroupv2 level ", std::to_string(level), " @", set_name});
}

Words& Words::CgroupNotIn(std::uint8_t level, std::string_view set_name) {
  return Add(state::NftCgroup{.level = level}).LookupMiss(set_name)
      .Say({"socket cgroupv2 level ", std::to_string(level), " != @", set_name});
}

std::string Words::LoadByProcess(Family family, std::uint8_t level, std::string_view units, std::string_view map) {
  Need(family);
  std::string unit = "0";
  if (level == 0) {
    Add(state::NftImmediate{.value = NftBytes::Mark(0)});
  } else {
    Add(state::NftCgroup{.level = level}).LookupValue(units);
    unit = std::format("(socket cgroupv2 level {} map @{})", level, units);
  }
  Add(NftMeta{.key = NftMeta::Key::kSkuid, .reg = kNextWord});
  LoadSource(family, kThirdWord).LookupValue(map);
  return std::format("{} . meta skuid . {} saddr map @{}", unit, Ip(family), map);
}

Words& Words::SetConnectionMarkByProcess(Family family, std::uint8_t level, std::string_view units, std::string_view map) {
  const std::string said = LoadByProcess(family, level, units, map);
  return Add(NftCt{.key = NftCt::Key::kMark, .store = true}).Say({"ct mark set ", said});
}

Words& Words::ProcessIn(Family family, std::uint8_t level, std::string_view units, std::string_view map) {
  const std::string said = LoadByProcess(family, level, units, map);
  return Say({said});
}

Words& Words::AgreesWithConnectionMark(std::string_view agree) {
  return Add(NftCt{.key = NftCt::Key::kMark, .reg = kNextWord}).Lookup(agree);
}

Words& Words::ProcessAgrees(Family family, std::uint8_t level, std::string_view units, std::string_view map, std::string_view agree) {
  const std::string said = LoadByProcess(family, level, units, map);
  return AgreesWithConnectionMark(agree).Say({"(", said, ") . ct mark @", agree});
}

Words& Words::SourceAgrees(Family family, std::string_view map, std::string_view agree) {
  return LoadSource(family).LookupValue(map).AgreesWithConnectionMark(agree)
      .Say({"(", Ip(family), " saddr map @", map, ") . ct mark @", agree});
}

Words& Words::SetPacketMarkToConnectionId() {
  return LoadConnectionId().Add(NftMeta{.key = NftMeta::Key::kMark, .store = true}).Say({"meta mark set ct mark & 0xffff"});
}

Words& Words::SetPacketMarkByConnectionMark(std::string_view map) {
  return Add(NftCt{.key = NftCt::Key::kMark}).LookupValue(map).Add(NftMeta{.key = NftMeta::Key::kMark, .store = true})
      .Say({"meta mark set ct mark map @", map});
}

Words& Words::SetPacketMarkByConnectionId(std::string_view map) {
  return LoadConnectionId().LookupValue(map).Add(NftMeta{.key = NftMeta::Key::kMark, .store = true})
      .Say({"meta mark set ct mark & 0xffff map @", map});
}

Words& Words::SetConnectionMark(std::uint32_t value) {
  return Add(state::NftImmediate{.value = NftBytes::Mark(value)})
      .Add(NftCt{.key = NftCt::Key::kMark, .store = true})
      .Say({"ct mark set ", Hexadecimal(value)});
}

Words& Words::SetConnectionMarkFromPacketId(std::uint32_t bits) {
  return Add(NftMeta{.key = NftMeta::Key::kMark})
      .Add(state::NftBitwise{.mask = NftBytes::Mark(kIdMask), .xor_ = NftBytes::Mark(bits)})
      .Add(NftCt{.key = NftCt::Key::kMark, .store = true})
      .Say({"ct mark set meta mark & 0xffff | ", Hexadecimal(bits)});
}

Words& Words::SetConnectionMarkBySource(Family family, std::string_view map) {
  return LoadSource(family).LookupValue(map).Add(NftCt{.key = NftCt::Key::kMark, .store = true})
      .Say({"ct mark set ", Ip(family), " saddr map @", map});
}

Words& Words::SetConnectionMarkByHash(Family family, std::uint32_t modulus, std::uint32_t seed, std::string_view map) {
  return LoadSource(family)
      .Add(state::NftHash{.length_bytes = family == Family::kIpv4 ? 4u : 16u, .modulus = modulus, .seed = seed})
      .LookupValue(map)
      .Add(NftCt{.key = NftCt::Key::kMark, .store = true})
      .Say({"ct mark set jhash ", Ip(family), " saddr mod ", std::to_string(modulus), " seed ", Hexadecimal(seed), " map @", map});
}

Words& Words::SetConnectionMarkInTurn(std::uint32_t modulus, std::string_view map) {
  return Add(state::NftTurn{.modulus = modulus})
      .LookupValue(map)
      .Add(NftCt{.key = NftCt::Key::kMark, .store = true})
      .Say({"ct mark set numgen inc mod ", std::to_string(modulus), " map @", map});
}

Words& Words::OverLimitOfConnectionId(std::string_view map) {
  return LoadConnectionId().Add(state::NftLimitBy{.map = std::string(map)}).Say({"limit name ct mark & 0xffff map @", map});
}

state::NftRule Words::VerdictByConnectionMark(std::string_view map) {
  Add(NftCt{.key = NftCt::Key::kMark});
  Add(NftLookup{.set = std::string(map), .result = NftLookup::Result::kVerdict});
  Say({"ct mark vmap @", map});
  return Done();
}

state::NftRule Words::SnatByConnectionId(Family family, std::string_view map) {
  Need(family);
  LoadConnectionId().LookupValue(map);
  Add(state::NftSnat{.family = family});
  Say({"snat ", Ip(family), " to ct mark & 0xffff map @", map});
  return Done();
}

}  // namespace egressd::plan
