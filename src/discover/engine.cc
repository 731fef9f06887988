#include "egressd/discover/engine.h"

#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <deque>
#include <format>
#include <set>
#include <utility>

#include "discover/catalogue.h"
#include "discover/channel.h"
#include "discover/container.h"
#include "discover/json_objects.h"

namespace egressd::discover {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLongestAnswer = seconds(5);
constexpr Duration kLongestList = seconds(30);
constexpr Duration kBetweenLists = seconds(60);
constexpr Duration kSecondList = seconds(2);  // what happened while the engine began to tell its events
constexpr Duration kAfterOddAnswer = seconds(1), kAfterRefusedList = seconds(5);
constexpr Duration kShortestPause = milliseconds(100), kLongestPause = seconds(5);  // between two attempts to connect
constexpr Duration kAbsentPause = seconds(1);
constexpr std::size_t kMostContainers = 65'536;
constexpr std::size_t kMostLooks = 64;  // waiting; from there on a list costs less
// What is asked for exists since 1.24; an engine need not speak a later version than this was written for.
constexpr std::string_view kNewestVersion = "1.47";
constexpr std::string_view kEvents = "/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%7D";
constexpr std::string_view kList = "/containers/json?all=true";
constexpr int kGood = 200, kGone = 404;

bool IsEarlier(std::string_view version, std::string_view other) {
  const auto number = [](std::string_view text, std::size_t from, std::size_t to) {
    unsigned value = 0;
    for (const char c : text.substr(from, to - from)) value = value * 10 + static_cast<unsigned>(c - '0');
    return value;
  };
  const auto both = [&](std::string_view text) {
    const auto dot = text.find('.');
    return std::pair(number(text, 0, dot), number(text, dot + 1, text.size()));
  };
  return both(version) < both(other);
}

bool IsSameFile(const std::string& path, const std::string& other) {
  struct stat is{}, is_other{};
  if (::stat(path.c_str(), &is) < 0 || ::stat(other.c_str(), &is_other) < 0) return false;
  return is.st_dev == is_other.st_dev && is.st_ino == is_other.st_ino;
}

}  // namespace

struct Engine::Body {
  enum class Phase : std::uint8_t { kAbsent, kAsked, kSubscribed, kListed, kFollows };

  // ---- towards the engine ----
  void Connect(Time now);
  Result<void> Open(Channel& channel);
  Result<void> Subscribe(Time now);
  Result<void> AskForList(Time now);
  Result<void> AskForLook(Time now);
  void WantLook(const std::string& id);
  // ---- what came back ----
  Result<void> Advance(Time now);
  Result<void> TakeVersion(Time now);
  Result<void> TakeList(Time now);
  Result<void> TakeLook(Time now);
  void Fail(Time now, Error error);
  Result<void> Receive();

  Settings settings;
  Fd epoll;
  Phase phase = Phase::kAbsent;
  bool was_reached = false;
  std::string socket;                 // in use, or tried last
  std::optional<Error> trouble;
  Time retry_at{};
  Duration pause = kShortestPause;
  Time answer_by = kNever;            // of _ping and /events, of a look
  std::string prefix;                 // "/v1.41"

  Channel events, lists, looks;
  JsonObjects event_objects{[](std::string_view) { return Result<void>(); }};
  JsonObjects list_objects{[](std::string_view) { return Result<void>(); }};
  bool is_listing = false;
  Time list_by = kNever;
  Time next_list_at = kNever;
  bool is_first_list = true;
  std::vector<Container> listed;
  std::set<std::string> looked_at;    // since the list was asked for: better known than it says
  std::deque<std::string> wanted;     // looks
  std::string looking_at;             // "" = at none
  std::string look_text;
  Catalogue catalogue;
};

Result<void> Engine::Body::Open(Channel& channel) {
  if (auto connected = channel.Connect(socket); !connected) return connected;
  epoll_event event{.events = EPOLLIN, .data = {.fd = channel.fd()}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, channel.fd(), &event) < 0) return std::unexpected(SystemError("epoll", errno));
  return {};
}

void Engine::Body::Connect(Time now) {
  Error refusal{.kind = ErrorKind::kNotFound, .message = "no socket to try"};
  for (const std::string& path : settings.sockets) {
    if (IsSameFile(path, settings.not_this)) continue;
    socket = path;
    auto begun = Open(looks);
    if (begun) begun = looks.Get("/_ping", [](std::string_view) { return Result<void>(); });
    if (begun) {
      was_reached = true;
      phase = Phase::kAsked;
      answer_by = now + kLongestAnswer;
      return;
    }
    // Of several sockets, the one that is there is worth a word.
    if (refusal.kind == ErrorKind::kNotFound) refusal = std::move(begun.error());
  }
  Fail(now, std::move(refusal));
}

// Whatever is wrong: from the beginning, after a pause. What is known stays.
void Engine::Body::Fail(Time now, Error error) {
  events.Close();
  lists.Close();
  looks.Close();
  phase = Phase::kAbsent;
  is_listing = false;
  answer_by = list_by = next_list_at = kNever;
  wanted.clear();
  looking_at.clear();
  const bool is_absent = error.kind == ErrorKind::kNotFound;
  trouble = std::move(error);
  retry_at = now + (is_absent ? kAbsentPause : pause);
  pause = std::min(pause * 2, kLongestPause);
}

Result<void> Engine::Body::Subscribe(Time now) {
  if (auto opened = Open(events); !opened) return opened;
  event_objects = JsonObjects([this](std::string_view object) -> Result<void> {
    auto event = ParseEvent(object);
    if (!event) return std::unexpected(std::move(event.error()).In("event"));
    if (*event) WantLook(**event);
    return {};
  });
  answer_by = now + kLongestAnswer;
  phase = Phase::kSubscribed;
  return events.Get(prefix + std::string(kEvents), [this](std::string_view piece) { return event_objects.Feed(piece); });
}

void Engine::Body::WantLook(const std::string& id) {
  if (wanted.size() > kMostLooks || std::ranges::contains(wanted, id)) return;  // so many are answered by a list
  wanted.push_back(id);
}

Result<void> Engine::Body::AskForList(Time now) {
  if (!lists.is_open()) {
    if (auto opened = Open(lists); !opened) return opened;
  }
  listed.clear();
  looked_at.clear();
  list_objects = JsonObjects([this](std::string_view object) -> Result<void> {
    auto container = ParseListed(object);
    if (!container) return std::unexpected(std::move(container.error()));
    if (!container->workload.addresses.empty()) listed.push_back(std::move(*container));
    if (listed.size() > kMostContainers) return egressd::Fail(ErrorKind::kInvalid, "more than 65,536 containers");
    return {};
  });
  is_listing = true;
  list_by = now + kLongestList;
  next_list_at = kNever;
  return lists.Get(prefix + std::string(kList), [this](std::string_view piece) -> Result<void> {
    return lists.answer().status() == kGood ? list_objects.Feed(piece) : Result<void>();
  });
}

Result<void> Engine::Body::AskForLook(Time now) {
  if (!looks.is_open()) {
    if (auto opened = Open(looks); !opened) return opened;
  }
  looking_at = std::move(wanted.front());
  wanted.pop_front();
  look_text.clear();
  answer_by = now + kLongestAnswer;
  return looks.Get(std::format("{}/containers/{}/json", prefix, looking_at), [this](std::string_view piece) -> Result<void> {
    look_text.append(piece);
    if (look_text.size() > JsonObjects::kLargestObject) return egressd::Fail(ErrorKind::kInvalid, "a container of more than 4 MiB");
    return {};
  });
}

Result<void> Engine::Body::TakeVersion(Time now) {
  const HttpReader& answer = looks.answer();
  const std::string& version = answer.api_version();
  if (answer.status() != kGood) return egressd::Fail(ErrorKind::kInvalid, std::format("/_ping was answered with {}", answer.status()));
  if (!IsApiVersion(version)) return egressd::Fail(ErrorKind::kInvalid, "no container engine: /_ping names no API version");
  prefix = std::format("/v{}", IsEarlier(kNewestVersion, version) ? kNewestVersion : std::string_view(version));
  return Subscribe(now);
}

Result<void> Engine::Body::TakeList(Time now) {
  is_listing = false;
  list_by = kNever;
  phase = Phase::kFollows;
  if (lists.answer().status() != kGood) {
    // podman refuses the whole list for one container in an odd state: the events of the others are followed all the same.
    trouble = {.kind = ErrorKind::kUnavailable,
               .message = std::format("the list of containers was answered with {}", lists.answer().status())};
    next_list_at = now + kAfterRefusedList;
    return {};
  }
  if (!list_objects.is_whole()) return egressd::Fail(ErrorKind::kInvalid, "the list of containers ends in its middle");
  for (const std::string& id : catalogue.Replace(std::exchange(listed, {}), looked_at)) WantLook(id);
  next_list_at = now + (std::exchange(is_first_list, false) ? kSecondList : kBetweenLists);
  trouble.reset();
  pause = kShortestPause;
  return {};
}

Result<void> Engine::Body::TakeLook(Time now) {
  answer_by = kNever;
  const std::string id = std::exchange(looking_at, {});
  const int status = looks.answer().status();
  if (status == kGood) {
    auto container = ParseInspected(look_text);
    if (!container) return std::unexpected(std::move(container.error()).In("container " + id));
    if (container->id != id) return egressd::Fail(ErrorKind::kInvalid, "asked for container " + id + ", told of another one");
    catalogue.Set(std::move(*container));
  } else if (status == kGone) {
    catalogue.Set({.id = id, .workload = {}});
  } else {
    next_list_at = std::min(next_list_at, now + kAfterOddAnswer);  // it is on its way out, perhaps
    return {};
  }
  if (is_listing) looked_at.insert(id);
  return {};
}

// Everything that follows from what was received.
Result<void> Engine::Body::Advance(Time now) {
  if (phase == Phase::kAsked) return looks.answer().is_complete() ? TakeVersion(now) : Result<void>();
  if (!events.is_open() || events.answer().is_complete()) return egressd::Fail(ErrorKind::kUnavailable, "the stream of events has ended");
  if (phase == Phase::kSubscribed) {
    if (!events.answer().has_head()) return {};
    if (events.answer().status() != kGood)
      return egressd::Fail(ErrorKind::kInvalid, std::format("/events was answered with {}", events.answer().status()));
    answer_by = kNever;
    phase = Phase::kListed;
    is_first_list = true;
    if (auto asked = AskForList(now); !asked) return asked;
  }
  if (is_listing && lists.answer().is_complete()) {
    if (auto taken = TakeList(now); !taken) return taken;
  }
  if (!looking_at.empty() && looks.answer().is_complete()) {
    if (auto taken = TakeLook(now); !taken) return taken;
  }
  if (wanted.size() > kMostLooks) {
    wanted.clear();
    next_list_at = now;
  }
  if (looking_at.empty() && !wanted.empty()) return AskForLook(now);
  return {};
}

Result<void> Engine::Body::Receive() {
  for (Channel* channel : {&events, &lists, &looks}) {
    if (!channel->is_open()) continue;
    if (auto received = channel->Receive(); !received) return received;
  }
  return {};
}

Engine::Engine(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::Open(Settings settings) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return std::unexpected(SystemError("epoll for containers", errno));
  auto body = std::make_unique<Body>();
  body->settings = std::move(settings);
  body->epoll = std::move(epoll);
  return Engine(std::move(body));
}

int Engine::fd() const { return body_->epoll.get(); }

void Engine::OnReady(Time now) {
  if (body_->phase == Body::Phase::kAbsent) return;
  auto done = body_->Receive();
  if (done) done = body_->Advance(now);
  if (!done) body_->Fail(now, std::move(done.error()));
}

void Engine::OnTimer(Time now) {
  Body& body = *body_;
  if (body.phase == Body::Phase::kAbsent) {
    if (body.retry_at <= now) body.Connect(now);
    return;
  }
  if (std::min(body.answer_by, body.list_by) <= now) {
    // What waits in the sockets came in time.
    OnReady(now);
    if (std::min(body.answer_by, body.list_by) <= now) body.Fail(now, {.kind = ErrorKind::kTimeout, .message = "no answer in time"});
    return;
  }
  if (body.phase == Body::Phase::kFollows && !body.is_listing && body.next_list_at <= now) {
    if (auto asked = body.AskForList(now); !asked) body.Fail(now, std::move(asked.error()));
  }
}

Time Engine::NextTimer() const {
  if (body_->phase == Body::Phase::kAbsent) return body_->retry_at;
  return std::min({body_->answer_by, body_->list_by, body_->is_listing ? kNever : body_->next_list_at});
}

std::vector<ContainerChange> Engine::Take(std::size_t at_most) { return body_->catalogue.Take(at_most); }
bool Engine::has_changes() const { return body_->catalogue.has_changes(); }

bool Engine::is_settled() const {
  if (body_->phase == Body::Phase::kAbsent) return body_->trouble.has_value();
  return body_->phase == Body::Phase::kFollows && body_->looking_at.empty() && body_->wanted.empty();
}

std::size_t Engine::known() const { return body_->catalogue.size(); }

std::optional<Error> Engine::trouble() const {
  const bool is_quiet = body_->settings.need == Need::kIfThere && !body_->was_reached;
  if (is_quiet && body_->trouble && body_->trouble->kind == ErrorKind::kNotFound) return std::nullopt;
  return body_->trouble;
}

bool Engine::was_reached() const { return body_->was_reached; }

const std::string& Engine::socket() const { return body_->socket; }

}  // namespace egressd::discover
