// Addresses, ranges and quantities as Kubernetes objects write them; and what a pool needs of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "convert/manifest.h"
#include "egressd/base/address.h"
#include "egressd/policy/policy_set.h"

namespace egressd::convert {

// With an error where there is none.
std::optional<IpAddress> AddressOf(Manifest& manifest, const Node& node, std::string_view text);
// A network, or an address as a network of one. Bits of the host are cleared, as Go's net.ParseCIDR does.
std::optional<Prefix> NetworkOf(Manifest& manifest, const Node& node, std::string_view text);
std::vector<Prefix> NetworksOf(Manifest& manifest, const Node& list);
// "a", "a-b", "a..b" or "a/n", the latter with its first and last address.
std::optional<AddressRange> RangeOf(Manifest& manifest, const Node& node, std::string_view text);

AddressRange RangeOf(const Prefix& prefix);

// `range` without the addresses of `hole`: none, one or two ranges.
std::vector<AddressRange> Without(const AddressRange& range, const AddressRange& hole);
// The same addresses, each once: what an earlier range has is taken out of the later ones.
std::vector<AddressRange> Once(const std::vector<AddressRange>& ranges);

// The addresses of `ranges` that are in none of the holes.
std::vector<AddressRange> Without(const std::vector<AddressRange>& ranges, const std::vector<AddressRange>& holes);

// The address of `to` that stands at the same place as `address` does in `from`; nullopt: it is not in there, or there is none.
std::optional<IpAddress> Opposite(const std::vector<AddressRange>& from, const std::vector<AddressRange>& to, const IpAddress& address);
std::uint64_t CountOf(const std::vector<AddressRange>& ranges);  // saturating

// A Kubernetes quantity in whole units: "800M", "1.5G", "2Gi", "1e9", "100". nullopt: it is none, or not in 64 bits. Fractions of a unit
// are rounded up, as Kubernetes does.
std::optional<std::uint64_t> ParseQuantity(std::string_view text);

// What a rate and a burst of another system become: kept within what the kernel can do; `notes` says what was changed.
policy::Bandwidth Limited(policy::Bandwidth wanted, std::string& notes);

}  // namespace egressd::convert
