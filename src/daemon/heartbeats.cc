#include "daemon/heartbeats.h"

#include <unistd.h>

#include <iterator>

#include "daemon/log.h"

namespace egressd::daemon {
namespace {

constexpr int kPacketsAtOnce = 1024;

}  // namespace

Heartbeats::Heartbeats(const std::string& tunnel_device) {
  const auto without = [&](const Error& error) {
    trouble_ = {.code = "W156", .object = "bfd", .text = "dead gateways are found by gossip alone: " + error.message,
                .hint = "BFD needs UDP port 3784 for itself (stop bfdd) and CAP_NET_RAW"};
    Warn(trouble_->text);
  };
  auto bfd = net::BfdSocket::Open();
  auto echo = net::EchoSocket::Open(static_cast<std::uint16_t>(::getpid()), tunnel_device);
  if (!bfd) {
    without(bfd.error());
  } else if (!echo) {
    without(echo.error());
  } else {
    bfd_ = std::move(*bfd);
    echo_ = std::move(*echo);
  }
}

std::vector<int> Heartbeats::fds() const {
  std::vector<int> all;
  if (!bfd_) return all;
  std::ranges::copy(bfd_->fds(), std::back_inserter(all));
  std::ranges::copy(echo_->fds(), std::back_inserter(all));
  return all;
}

void Heartbeats::Send(const std::vector<agent::OutgoingBfd>& packets, const std::vector<agent::OutgoingEcho>& echoes) {
  if (!bfd_) return;
  for (const agent::OutgoingBfd& packet : packets) {
    if (bfd_source_ != packet.from) bfd_->SetSource(*(bfd_source_ = packet.from));
    if (auto sent = bfd_->Send(packet.to, packet.from_port, packet.bytes); !sent) Debug(sent.error().message);
  }
  for (const agent::OutgoingEcho& echo : echoes) {
    if (echo_source_ != echo.from) echo_->SetSource(*(echo_source_ = echo.from));
    if (auto sent = echo_->Send(echo.to, echo.sequence); !sent) Debug(sent.error().message);
  }
}

void Heartbeats::Take(const std::function<void(const agent::Input&)>& feed) {
  if (!bfd_) return;
  for (int i = 0; i < kPacketsAtOnce; ++i) {
    auto received = bfd_->Receive();
    if (!received) Debug(received.error().message);
    if (!received || !*received) break;
    const auto& packet = **received;
    feed(agent::BfdPacket{.from = packet.from, .from_port = packet.from_port, .time_to_live = packet.time_to_live, .bytes = packet.bytes});
  }
  for (int i = 0; i < kPacketsAtOnce; ++i) {
    auto received = echo_->Receive();
    if (!received) Debug(received.error().message);
    if (!received || !*received) break;
    feed(agent::EchoReply{.from = (*received)->from, .sequence = (*received)->sequence});
  }
}

}  // namespace egressd::daemon
