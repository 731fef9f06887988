// Speaks BFD with real sessions and real sockets, for tests against other implementations: bfd::Sessions and net::BfdSocket, nothing else.
//
//   bfd_speaker [SOURCE…]      source addresses of its packets
//
// Commands on standard input, one a line; each is answered on standard output, what happens is told there too:
//   peer ADDRESS MIN_TX_US MIN_RX_US MULTIPLIER     begins a session, or changes its timers        → ok
//   end ADDRESS                                     ends it                                        → ok
//   status ADDRESS     → status STATE REMOTE_STATE DETECTION_US TRANSMIT_US DISCRIMINATOR REMOTE_DISCRIMINATOR
//   discarded          → discarded REASON=COUNT …
//   quit
//   → change ADDRESS FROM TO REMOTE_STATE MONOTONIC_MS DIAGNOSTIC
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>

#include "egressd/bfd/sessions.h"
#include "egressd/net/bfd.h"

namespace {

using namespace egressd;

Time Now() {
  return Time(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

std::string Text(std::string_view text) { return std::string(text); }

class Speaker {
 public:
  explicit Speaker(net::BfdSocket socket) : socket_(std::move(socket)) {}

  // False: it is over.
  bool Run() {
    std::vector<pollfd> waiting{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    for (const int fd : socket_.fds()) waiting.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    const Time due = sessions_.NextTimer();
    const auto wait = due == kNever ? Duration(1'000'000) : std::max(Duration::zero(), due - Now());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
    const timespec until{.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(wait - seconds).count()};
    ::ppoll(waiting.data(), waiting.size(), &until, nullptr);
    for (;;) {
      const auto received = socket_.Receive();
      if (!received || !*received) break;
      sessions_.Receive(Now(), (*received)->from, (*received)->time_to_live, (*received)->bytes);
    }
    sessions_.Advance(Now());
    if (waiting[0].revents != 0 && !ReadCommands()) return false;
    for (const auto& outgoing : sessions_.TakeOutgoing()) {
      const auto sent = socket_.Send(outgoing.to, outgoing.source_port, outgoing.bytes);
      if (!sent) std::printf("error %s\n", sent.error().message.c_str());
    }
    for (const auto& change : sessions_.TakeChanges()) {
      const auto milliseconds = static_cast<long long>(Now().time_since_epoch().count() / 1000);
      std::printf("change %s %s %s %s %lld %s\n", change.peer.ToString().c_str(), Text(ToString(change.from)).c_str(),
                  Text(ToString(change.to)).c_str(), Text(ToString(change.remote)).c_str(), milliseconds,
                  Text(ToString(change.diagnostic)).c_str());
    }
    std::fflush(stdout);
    return true;
  }

 private:
  bool ReadCommands() {
    char bytes[4096];
    const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (got <= 0) return false;
    commands_.append(bytes, static_cast<std::size_t>(got));
    for (std::size_t end; (end = commands_.find('\n')) != std::string::npos; commands_.erase(0, end + 1)) {
      std::istringstream line(commands_.substr(0, end));
      std::string verb;
      line >> verb;
      if (verb == "quit") return false;
      Obey(verb, line);
    }
    return true;
  }

  void Obey(const std::string& verb, std::istringstream& line) {
    if (verb == "discarded") {
      std::printf("discarded");
      for (std::size_t i = 0; i < bfd::kDiscards; ++i) {
        const auto reason = static_cast<bfd::Discard>(i);
        std::printf(" %s=%llu", Text(ToString(reason)).c_str(), static_cast<unsigned long long>(sessions_.discarded(reason)));
      }
      std::printf("\n");
      return;
    }
    std::string name;
    line >> name;
    const auto address = IpAddress::Parse(name);
    if (!address) {
      std::printf("error %s\n", address.error().message.c_str());
      return;
    }
    if (verb == "status") return Tell(*address);
    if (verb == "peer") {
      long long min_tx = 0, min_rx = 0;
      int multiplier = 0;
      line >> min_tx >> min_rx >> multiplier;
      peers_[*address] = {.min_tx = Duration(min_tx), .min_rx = Duration(min_rx), .multiplier = static_cast<std::uint8_t>(multiplier)};
    } else {
      peers_.erase(*address);
    }
    sessions_.Set(Now(), peers_);
    std::printf("ok\n");
  }

  void Tell(const IpAddress& peer) const {
    const bfd::Session* session = sessions_.Find(peer);
    if (session == nullptr) {
      std::printf("status none\n");
      return;
    }
    const Duration detection = session->detection_time();
    std::printf("status %s %s %lld %lld %u %u\n", Text(ToString(session->state())).c_str(), Text(ToString(session->remote_state())).c_str(),
                detection == Duration::max() ? -1 : static_cast<long long>(detection.count()),
                static_cast<long long>(session->transmit_interval().value_or(Duration::zero()).count()), session->discriminator(),
                session->remote_discriminator());
  }

  net::BfdSocket socket_;
  bfd::Sessions sessions_{static_cast<std::uint64_t>(Now().time_since_epoch().count()) ^ static_cast<std::uint64_t>(::getpid())};
  std::map<IpAddress, bfd::Timers> peers_;
  std::string commands_;
};

}  // namespace

int main(int count, char** arguments) {
  auto socket = net::BfdSocket::Open();
  if (!socket) {
    std::printf("error %s\n", socket.error().message.c_str());
    return 1;
  }
  for (int i = 1; i < count; ++i) {
    if (const auto source = IpAddress::Parse(arguments[i])) socket->SetSource(*source);
  }
  std::printf("ready\n");
  std::fflush(stdout);
  Speaker speaker(std::move(*socket));
  while (speaker.Run()) {
  }
  return 0;
}
