// The key ring between gossip and its agreement.
#include <algorithm>
#include <iterator>

#include "agent/body.h"

namespace egressd::agent {

std::set<Endpoint> ContactsOf(const Settings& settings, const std::set<Endpoint>& former_peers) {
  if (settings.keys.empty()) return {};
  std::set<Endpoint> contacts = former_peers;
  contacts.insert(settings.config.cluster.join.begin(), settings.config.cluster.join.end());
  return contacts;
}

void Agent::Body::OpenChannel(const Stored& stored) {
  keys.emplace(KeyAgreement::Start{.name = settings.config.node.name,
                                   .incarnation = settings.incarnation,
                                   .timing = timing,
                                   .file = settings.keys,
                                   .stored = settings.stored_keys,
                                   .contacts = ContactsOf(settings, stored.peers)});
  settings.stored_keys.clear();
  channel.emplace(keys->ring().keys, settings.config.cluster.name, settings.config.node.name, settings.incarnation, settings.seed);
}

void Agent::Body::Take(Time, const KeyOrder& order, Output& output) {
  std::string why;
  if (!keys) why = "this node has no gossip key: it is a cluster of one";
  if (keys && leaving) why = "this node is stopping";
  if (keys && !leaving && !synced) why = "this node is not synced with its cluster yet";
  if (why.empty()) return keys->Take(order);
  KeyResult result{.request = order.request};
  result.error = Error{ErrorKind::kUnavailable, std::move(why)};
  output.key_results.push_back(std::move(result));
}

bool Agent::Body::TakeKeyLetter(Time at, const Endpoint& from, const gossip::Received& received) {
  keys->Heard(at, from, received);
  if (received.sender == settings.config.node.name || !received.message) return false;
  const auto* letter = std::get_if<gossip::Letter>(&*received.message);
  if (letter == nullptr) return false;
  const auto about_keys = DecodeKeyLetter(letter->bytes);
  if (about_keys) keys->Receive(at, from, received, *about_keys);
  return about_keys.has_value();
}

void Agent::Body::Settle(Time at, KeyAgreement& agreement, Output& output) {
  if (leaving) {
    agreement.Abandon(membership.members(), "this node is stopping");
  } else if (underlay) {
    const policy::NodeConfig::Cluster& cluster = settings.config.cluster;
    agreement.Advance(at, membership.members(), {.address = cluster.listen_address.value_or(*underlay), .port = cluster.listen_port});
  }
  if (agreement.TakeChanged()) channel->SetKeys(agreement.ring().keys);
  if (auto store = agreement.TakeStore()) output.store_keys = std::move(store);
  std::ranges::move(agreement.TakeNotes(), std::back_inserter(output.notes));
  std::ranges::move(agreement.TakeResults(), std::back_inserter(output.key_results));
}

const RejectedDatagrams& Agent::rejected() const { return body_->rejected; }

std::vector<gossip::Key> Agent::keys() const { return body_->keys ? body_->keys->ring().keys : std::vector<gossip::Key>{}; }

}  // namespace egressd::agent
