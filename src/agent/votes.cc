#include "agent/votes.h"

#include <algorithm>

namespace egressd::agent {

LeaseGrant Voter::Answer(Time now, const std::string& from, const LeaseRequest& request, std::uint64_t electorate) {
  LeaseGrant grant{.round = request.round, .electorate = electorate, .addresses = {}};
  auto [round, fresh] = rounds_.try_emplace(from, request.round);
  if (!fresh && request.round < round->second) return grant;
  round->second = request.round;
  std::erase_if(promises_, [&](const auto& entry) {
    if (entry.second.until <= now) return true;
    return entry.second.node == from && !std::ranges::contains(request.claims, entry.first, &gossip::Claim::address);
  });
  if (now < silent_until_ || request.electorate != electorate) return grant;
  for (const gossip::Claim& wanted : request.claims) {
    auto [promise, free] = promises_.try_emplace(wanted.address, Promise{.node = from, .until = {}});
    if (!free && promise->second.node != from) continue;
    promise->second.until = now + timing_.Promise();
    grant.addresses.push_back(wanted.address);
  }
  return grant;
}

LeaseRequest Asker::Begin(Time now, std::vector<gossip::Claim> addresses, std::uint64_t electorate, std::size_t voters) {
  electorate_ = electorate;
  majority_ = voters / 2 + 1;
  begun_ = now;
  grants_.clear();
  for (const gossip::Claim& claim : addresses) grants_[claim.address];
  return {.round = ++round_, .electorate = electorate, .claims = std::move(addresses)};
}

void Asker::Receive(const std::string& from, const LeaseGrant& grant) {
  if (grant.round != round_ || grant.electorate != electorate_) return;
  for (const IpAddress& address : grant.addresses) {
    if (const auto found = grants_.find(address); found != grants_.end()) found->second.insert(from);
  }
}

std::vector<IpAddress> Asker::Granted(Time now) const {
  std::vector<IpAddress> granted;
  if (now >= begun_ + timing_.awake) return granted;
  for (const auto& [address, voters] : grants_) {
    if (voters.size() >= majority_) granted.push_back(address);
  }
  return granted;
}

}  // namespace egressd::agent
