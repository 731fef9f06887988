// Another host with our name. Published: we are in charge, tell it so. Not yet: the one in charge makes us silent.
#include <algorithm>

#include "egressd/gossip/membership.h"

namespace egressd::gossip {

void Membership::OnOwnName(Time now, const Endpoint& from, const Message& message) {
  const Records* records = std::get_if<Records>(&message);
  if (records == nullptr) {
    if (!own_) return;
    // A namesake that starts. Members keep two lives of a name apart (replay.h); ours must stay the latest one.
    duplicate_seen_ = now;
    const Ping* ping = std::get_if<Ping>(&message);
    if (ping != nullptr && ping->own.incarnation > incarnation_) RaiseIncarnation(now, ping->own.incarnation);
    return Answer(from, Records{.records = {*own_}, .dead = {}});
  }
  for (const Record& record : records->records) {
    if (record.name != name_ || record.gossip == self_ || record.presence == Presence::kLeft) continue;
    if (own_) {
      MergeOwn(now, record);
    } else {
      duplicate_seen_ = silenced_ = now;
      if (!former_ || former_->stamp < record.stamp) former_ = record, overview_.reset();
    }
  }
}

// "Is somebody there who has our name?"
void Membership::Greet() {
  if (own_ || !former_ || former_->gossip == self_ || former_->presence == Presence::kLeft) return;
  Send(former_->gossip, Ping{.id = ++next_id_,
                             .target = {.name = name_, .stamp = former_->stamp, .verdict = Verdict::kAlive},
                             .own = {.incarnation = incarnation_, .sequence = 0},
                             .news = {}});
}

void Membership::Yield(Time now, const Record& to) {
  own_.reset();
  former_ = to;
  overview_.reset();
  silenced_ = now;
  probes_.clear();
  repeats_.clear();
  changed_ = true;
  next_contact_ = now;
}

}  // namespace egressd::gossip
