#include "plan/skeleton.h"

#include <format>

#include "egressd/base/hash.h"

namespace egressd::plan {
namespace {

constexpr std::size_t kLongestName = 96;  // with a stem and a hash in front and behind still far below what nft takes (128)

bool IsKept(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

}  // namespace

std::string PerFamily(std::string_view stem, Family family) {
  std::string name(stem);
  name += family == Family::kIpv4 ? '4' : '6';
  return name;
}

std::string NftNameOf(std::string_view policy) {
  std::string name(policy.substr(0, kLongestName));
  for (char& c : name) c = IsKept(c) ? c : '_';
  if (name == policy) return name;
  return std::format("{}_{:08x}", name, static_cast<std::uint32_t>(StableHash(policy)));
}

std::string DestinationSet(std::string_view stem, Family family, std::string_view policy) {
  return PerFamily(stem, family) + "_" + NftNameOf(policy);
}

std::string PortSet(std::string_view policy) { return "ports_" + NftNameOf(policy); }

std::string SpreadMap(Family family, std::string_view policy) { return PerFamily("spread", family) + "_" + NftNameOf(policy); }

std::string LimitName(std::string_view direction, std::string_view policy) {
  return std::string(direction) + "_" + NftNameOf(policy);
}

std::string ClassChain(std::uint32_t key) { return std::format("class_{:08x}", key); }

}  // namespace egressd::plan
