// What goes out: to one who asked, to some, to everybody, or along with pings and acks.
#include <algorithm>
#include <array>

#include "egressd/gossip/membership.h"

namespace egressd::gossip {
namespace {

constexpr std::size_t kMessageBytes = 1200;                    // what one datagram surely holds
constexpr std::size_t kReportBytes = 20;                       // without the name
constexpr std::size_t kEverybodyBytes = std::size_t{2} << 20;  // more than that at once would not leave this host

std::size_t SizeOf(const Report& report) { return report.name.size() + kReportBytes; }

Report ReportOf(const std::string& name, const Member& member) {
  return {.name = name, .stamp = member.record.stamp, .verdict = member.verdict};
}

std::uint64_t HashOf(std::uint64_t position, const Stamp& stamp, Verdict verdict) {
  std::uint64_t hash = position;
  for (const std::uint64_t value : {stamp.incarnation, stamp.sequence, std::uint64_t{verdict == Verdict::kDead}}) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

void Membership::RefillAnswers(Time now) {
  const auto elapsed = std::clamp<std::int64_t>((now - answers_counted_).count(), 0, 1'000'000);
  answers_counted_ = now;
  answer_bytes_ = std::min(kAnswerBytesPerSecond, answer_bytes_ + kAnswerBytesPerSecond * elapsed / 1'000'000);
}

void Membership::Answer(const Endpoint& to, Message message) {
  const auto bytes = static_cast<std::int64_t>(Encode(message).size());
  if (answer_bytes_ < bytes) return;  // it asks again
  answer_bytes_ -= bytes;
  Send(to, std::move(message));
}

void Membership::SendRecords(const Endpoint& to, const std::set<std::string>& names) {
  Records records;
  std::size_t bytes = 0;
  const auto add = [&](const Record& record, Verdict verdict) {
    Writer writer;
    Write(writer, record);
    if (bytes + writer.bytes().size() > kMessageBytes && !records.records.empty()) {
      Answer(to, std::exchange(records, {}));
      bytes = 0;
    }
    bytes += writer.bytes().size();
    records.records.push_back(record);
    if (verdict == Verdict::kDead) records.dead.push_back(record.name), bytes += record.name.size() + 1;
  };
  for (const std::string& name : names) {
    if (name == name_) {
      if (own_) add(*own_, Verdict::kAlive);
    } else if (const auto found = members_.find(name); found != members_.end()) {
      add(found->second.record, found->second.verdict);
    }
  }
  if (!records.records.empty()) Answer(to, std::move(records));
}

// As many buckets in one message as one datagram holds, so that a lost one costs little.
void Membership::SendDigests(const Endpoint& to, BucketSet buckets, bool question) {
  std::array<std::vector<Report>, kBuckets> entries;
  for (const auto& [name, member] : members_) {
    const std::uint64_t bucket = member.position >> 60;
    if ((buckets >> bucket & 1) != 0) entries[bucket].push_back(ReportOf(name, member));
  }
  if (const auto& record = own_ ? own_ : former_) {
    const bool left = own_ && own_->presence == Presence::kLeft;
    entries[position_ >> 60].push_back({.name = name_, .stamp = record->stamp, .verdict = left ? Verdict::kLeft : Verdict::kAlive});
  }
  const Digest empty{.question = question, .synced = own_.has_value(), .buckets = 0, .entries = {}};
  Digest digest = empty;
  std::size_t bytes = 0;
  const auto flush = [&] {
    if (digest.buckets == 0) return;
    std::ranges::sort(digest.entries, {}, &Report::name);
    if (question) Send(to, std::exchange(digest, empty)); else Answer(to, std::exchange(digest, empty));
    bytes = 0;
  };
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if ((buckets >> bucket & 1) == 0) continue;
    std::size_t more = 0;
    for (const Report& report : entries[bucket]) more += SizeOf(report);
    if (bytes + more > kMessageBytes) flush();
    bytes += more;
    digest.buckets = static_cast<BucketSet>(digest.buckets | 1U << bucket);
    std::ranges::move(entries[bucket], std::back_inserter(digest.entries));
  }
  flush();
}

void Membership::SendOwnTo(const Endpoint& to) {
  if (own_) Send(to, Records{.records = {*own_}, .dead = {}});
}

void Membership::PushOwn(Time now, Reach reach) {
  overview_.reset();
  if (reach == Reach::kSome && repeats_.contains(name_)) return;  // the repetition says the newest
  if (reach == Reach::kEverybody && Encode(Records{.records = {*own_}, .dead = {}}).size() * members_.size() > kEverybodyBytes) {
    reach = Reach::kSome;
  }
  Tell(name_, reach);
  repeats_[name_] = {now + timing_.repeat_push, reach};
}

void Membership::Accuse(Time now, const Member& member, Reach reach) {
  Tell(member.record.name, reach);
  Send(member.record.gossip, Accusation{.accused = ReportOf(member.record.name, member)});
  if (member.verdict == Verdict::kDead) repeats_[member.record.name] = {now + timing_.repeat_push, reach};
}

// Our own record, or what we think of somebody.
void Membership::Tell(const std::string& name, Reach reach) {
  std::optional<Message> message;
  if (name == name_) {
    if (own_) message = Records{.records = {*own_}, .dead = {}};
  } else if (const auto found = members_.find(name); found != members_.end() && found->second.verdict != Verdict::kAlive &&
                                                     found->second.verdict != Verdict::kLeft) {
    message = Accusation{.accused = ReportOf(name, found->second)};
  }
  if (!message) return;
  for (const Member* member : Audience(reach)) {
    if (member->record.name != name) Send(member->record.gossip, *message);
  }
}

std::vector<const Member*> Membership::Audience(Reach reach) {
  std::vector<const Member*> audience = overview().living;
  if (reach == Reach::kEverybody || audience.size() <= kDirect) return audience;
  for (std::size_t i = 0; i < kDirect; ++i) std::swap(audience[i], audience[i + random_.Below(audience.size() - i)]);
  audience.resize(kDirect);
  return audience;
}

// From now on its report rides on pings and acks.
void Membership::Spread(Member& member) {
  if (!own_) return;
  if (member.times_to_tell == 0) news_.push_front(member.record.name);
  member.times_to_tell = TimesToTell(members_.size() + 1);
}

News Membership::TakeNews() {
  News news;
  std::size_t bytes = 0;
  for (std::size_t n = std::min(news_.size(), kNewsLimit); n > 0; --n) {
    const std::string name = std::move(news_.front());
    news_.pop_front();
    const auto found = members_.find(name);
    if (found == members_.end()) continue;  // forgotten
    Report report = ReportOf(name, found->second);
    if (bytes + SizeOf(report) > kNewsBytes) {
      news_.push_front(name);
      break;
    }
    bytes += SizeOf(report);
    news.push_back(std::move(report));
    if (--found->second.times_to_tell > 0) news_.push_back(name);
  }
  return news;
}

Summary Membership::SummaryOf(bool question) const {
  return {.question = question, .synced = own_.has_value(), .hashes = overview().hashes};
}

Ping Membership::PingFor(const Report& target, std::uint64_t id) {
  return {.id = id, .target = target, .own = own_ ? own_->stamp : Stamp{}, .news = TakeNews()};
}

const Membership::Overview& Membership::overview() const {
  if (overview_) return *overview_;
  overview_ = Overview{};
  Overview& overview = *overview_;
  const auto add = [&](std::uint64_t position, const Stamp& stamp, Verdict verdict) {
    overview.hashes[position >> 60] += HashOf(position, stamp, verdict);
  };
  for (const auto& [name, member] : members_) {
    if (member.lives()) overview.living.push_back(&member);
    if (member.verdict == Verdict::kDead) overview.dead.push_back(&member);
    if (member.verdict != Verdict::kLeft) add(member.position, member.record.stamp, member.verdict);
  }
  std::ranges::sort(overview.living, {}, &Member::position);
  if (const auto& record = own_ ? own_ : former_; record && record->presence != Presence::kLeft) {
    add(position_, record->stamp, Verdict::kAlive);
  }
  return overview;
}

}  // namespace egressd::gossip
