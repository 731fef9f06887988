#include "agent/generation.h"

#include <algorithm>

#include "egressd/base/hash.h"
#include "egressd/gossip/message.h"

namespace egressd::agent {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kPolicyNameLimit = 4096;

void Write(gossip::Writer& out, const policy::Binding& binding) {
  out.U16(binding.id.value);
  out.Text(binding.policy);
  out.Text(binding.gateway);
  out.U8(static_cast<std::uint8_t>(binding.family));
  out.U8(binding.egress_ip ? 1 : 0);
  if (binding.egress_ip) out.Address(*binding.egress_ip);
}

policy::Binding ReadBinding(gossip::Reader& in) {
  policy::Binding binding;
  binding.id.value = in.U16();
  binding.policy = in.Text(kPolicyNameLimit);
  binding.gateway = in.Text(kPolicyNameLimit);
  const std::uint8_t family = in.U8();
  if (family != 4 && family != 6) in.Fail();
  binding.family = family == 6 ? Family::kIpv6 : Family::kIpv4;
  const std::uint8_t has_address = in.U8();
  if (has_address > 1 || binding.id.value == 0 || binding.id > kLastEgressId) in.Fail();
  if (has_address == 1) {
    binding.egress_ip = in.Address();
    if (binding.egress_ip->family() != binding.family) in.Fail();
  }
  return binding;
}

}  // namespace

std::uint64_t DigestOfText(std::string_view text) { return StableHash(text); }

std::vector<std::uint64_t> WithApplied(std::vector<std::uint64_t> applied, std::uint64_t digest) {
  std::erase(applied, digest);
  applied.push_back(digest);
  if (applied.size() > kAppliedLimit) applied.erase(applied.begin(), applied.end() - kAppliedLimit);
  return applied;
}

std::string EncodeGeneration(const PolicyGeneration& generation) {
  gossip::Writer out;
  out.U8(kFormat);
  out.Varint(generation.number);
  out.Text(generation.origin);
  out.Text(generation.text);
  out.U16(generation.bindings.cursor.value);
  out.Varint(generation.bindings.bindings.size());
  for (const policy::Binding& binding : generation.bindings.bindings) Write(out, binding);
  out.Varint(generation.applied.size());
  for (const std::uint64_t digest : generation.applied) out.U64(digest);
  return TextOf(out.bytes());
}

std::optional<PolicyGeneration> DecodeGeneration(std::string_view content) {
  gossip::Reader in(ViewOf(content));
  if (in.U8() != kFormat) return std::nullopt;
  PolicyGeneration generation;
  generation.number = in.Varint();
  generation.origin = in.Text(kPolicyNameLimit);
  generation.text = in.Text(gossip::kGenerationLimit);
  generation.bindings.cursor.value = in.U16();
  if (generation.bindings.cursor > kLastEgressId) in.Fail();
  for (std::size_t n = in.Count(kLastEgressId.value, 6); n > 0 && in.ok(); --n) {
    policy::Binding binding = ReadBinding(in);
    auto& bindings = generation.bindings.bindings;
    if (!bindings.empty() && bindings.back().id >= binding.id) in.Fail();
    bindings.push_back(std::move(binding));
  }
  for (std::size_t n = in.Count(kAppliedLimit, 8); n > 0 && in.ok(); --n) generation.applied.push_back(in.U64());
  if (!in.done()) return std::nullopt;
  return generation;
}

}  // namespace egressd::agent
