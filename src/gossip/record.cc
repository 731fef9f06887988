#include "egressd/gossip/record.h"

namespace egressd::gossip {
namespace {

// Only those who have networks speak of them, so that a cluster without is understood by builds that do not know them.
constexpr std::uint8_t kHasNetworks = 8;

}  // namespace

void Write(Writer& writer, const Stamp& stamp) {
  writer.Varint(stamp.incarnation);
  writer.Varint(stamp.sequence);
}

Stamp ReadStamp(Reader& reader) {
  const std::uint64_t incarnation = reader.Varint();
  return {.incarnation = incarnation, .sequence = reader.Varint()};
}

void Write(Writer& writer, const Version& version) {
  writer.Varint(version.number);
  writer.U64(version.digest);
}

Version ReadVersion(Reader& reader) {
  const std::uint64_t number = reader.Varint();
  return {.number = number, .digest = reader.U64()};
}

void Write(Writer& writer, const std::vector<Network>& networks) {
  writer.Varint(networks.size());
  for (const Network& network : networks) {
    writer.Address(network.prefix.address);
    writer.U8(network.prefix.length);
    writer.Varint(network.term);
  }
}

std::vector<Network> ReadNetworks(Reader& reader) {
  std::vector<Network> networks;
  for (std::size_t n = reader.Count(kNetworkLimit, 7); n > 0 && reader.ok(); --n) {
    const IpAddress address = reader.Address();
    const Prefix prefix{.address = address, .length = reader.U8()};
    const Network network{.prefix = prefix, .term = reader.Varint()};
    const bool is_prefix = prefix.length <= AddressBits(address.family()) && prefix == Prefix::Containing(address, prefix.length);
    if (!is_prefix || (!networks.empty() && networks.back().prefix >= prefix)) reader.Fail();
    networks.push_back(network);
  }
  return networks;
}

void Write(Writer& writer, const Record& record) {
  writer.Text(record.name);
  Write(writer, record.stamp);
  writer.U8(static_cast<std::uint8_t>(static_cast<unsigned>(record.presence) | (record.ready ? 2U : 0U) |
                                      (record.drained ? 4U : 0U) | (record.networks.empty() ? 0U : kHasNetworks)));
  writer.Place(record.gossip);
  writer.Address(record.underlay);
  writer.U16(record.tunnel_number);
  writer.Varint(record.labels.size());
  for (const auto& [key, value] : record.labels) {
    writer.Text(key);
    writer.Text(value);
  }
  Write(writer, record.policy);
  writer.Varint(record.claims.size());
  for (const Claim& claim : record.claims) {
    writer.Address(claim.address);
    writer.Varint(claim.term);
  }
  writer.Varint(record.unable.size());
  for (const IpAddress& address : record.unable) writer.Address(address);
  writer.Varint(record.offers.size());
  for (const Offer& offer : record.offers) {
    writer.Address(offer.address);
    writer.Text(offer.to);
    writer.U8(offer.silent ? 1 : 0);
  }
  writer.Varint(record.prepared.size());
  for (const IpAddress& address : record.prepared) writer.Address(address);
  if (!record.networks.empty()) Write(writer, record.networks);
}

Record ReadRecord(Reader& reader) {
  Record record;
  record.name = reader.Text(kNameLimit);
  record.stamp = ReadStamp(reader);
  const std::uint8_t flags = reader.U8();
  if (flags > 15 || record.name.empty()) reader.Fail();
  record.presence = static_cast<Presence>(flags & 1);
  record.ready = (flags & 2) != 0;
  record.drained = (flags & 4) != 0;
  record.gossip = reader.Place();
  record.underlay = reader.Address();
  record.tunnel_number = reader.U16();
  for (std::size_t n = reader.Count(kLabelLimit, 2); n > 0 && reader.ok(); --n) {
    std::string key = reader.Text(kLabelBytesLimit);
    std::string value = reader.Text(kLabelBytesLimit);
    if (!record.labels.empty() && record.labels.rbegin()->first >= key) reader.Fail();
    record.labels.emplace(std::move(key), std::move(value));
  }
  record.policy = ReadVersion(reader);
  for (std::size_t n = reader.Count(kClaimLimit, 6); n > 0 && reader.ok(); --n) {
    const IpAddress address = reader.Address();
    const Claim claim{.address = address, .term = reader.Varint()};
    if (!record.claims.empty() && record.claims.back().address >= claim.address) reader.Fail();
    record.claims.push_back(claim);
  }
  for (std::size_t n = reader.Count(kClaimLimit, 5); n > 0 && reader.ok(); --n) {
    const IpAddress address = reader.Address();
    if (!record.unable.empty() && record.unable.back() >= address) reader.Fail();
    record.unable.push_back(address);
  }
  for (std::size_t n = reader.Count(kClaimLimit, 7); n > 0 && reader.ok(); --n) {
    Offer offer{.address = reader.Address(), .to = reader.Text(kNameLimit)};
    const std::uint8_t silent = reader.U8();
    if (silent > 1 || offer.to.empty() || (!record.offers.empty() && record.offers.back().address >= offer.address)) reader.Fail();
    offer.silent = silent == 1;
    record.offers.push_back(std::move(offer));
  }
  for (std::size_t n = reader.Count(kClaimLimit, 5); n > 0 && reader.ok(); --n) {
    const IpAddress address = reader.Address();
    if (!record.prepared.empty() && record.prepared.back() >= address) reader.Fail();
    record.prepared.push_back(address);
  }
  if ((flags & kHasNetworks) != 0) {
    record.networks = ReadNetworks(reader);
    if (record.networks.empty()) reader.Fail();
  }
  if (!reader.ok()) return {};
  return record;
}

}  // namespace egressd::gossip
