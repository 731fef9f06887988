#include "egressd/control/client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-varlink.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "control/convert.h"
#include "egressd/base/fd.h"
#include "egressd/control/server.h"

namespace egressd::control {

namespace {

constexpr std::uint64_t kPatienceUsec = 120'000'000;  // an apply may wait for a cluster to come together

Error Explain(const std::string& socket, int error) {
  if (error == EACCES || error == EPERM) return {.kind = ErrorKind::kPermission, .message = "no permission to use " + socket};
  if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) {
    return {.kind = ErrorKind::kUnavailable, .message = "no answer on " + socket};
  }
  return SystemError(socket, error);
}

std::string ShortName(const char* error) {
  std::string_view name = error;
  const std::string prefix = std::string(kInterface) + '.';
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  return std::string(name);
}

// Errors that the library makes up when the connection ends.
std::optional<Error> Lost(const std::string& name) {
  if (name == SD_VARLINK_ERROR_TIMEOUT) return Error{.kind = ErrorKind::kTimeout, .message = "the daemon did not answer in time"};
  if (name == SD_VARLINK_ERROR_DISCONNECTED) return Error{.kind = ErrorKind::kUnavailable, .message = "the daemon closed the connection"};
  return std::nullopt;
}

}  // namespace

struct Client::Body {
  sd_varlink* link = nullptr;
  std::string socket;

  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() { sd_varlink_flush_close_unref(link); }
};

Client::Client(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::Connect(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return Fail(ErrorKind::kInvalid, socket + ": too long for the path of a socket");
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(SystemError("socket", errno));
  Fd guard(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return std::unexpected(Explain(socket, errno));
  auto body = std::make_unique<Body>();
  body->socket = socket;
  const int copy = ::dup(fd);  // the link takes it over
  const int status = sd_varlink_connect_fd(&body->link, copy);
  if (status < 0) return std::unexpected(SystemError(socket, -status));
  sd_varlink_set_relative_timeout(body->link, kPatienceUsec);
  return Client(std::move(body));
}

Result<Answer> Client::Call(const std::string& method, const Json& parameters) {
  sd_json_variant* reply = nullptr;
  const char* error = nullptr;
  const std::string name = std::string(kInterface) + '.' + method;
  const int status = sd_varlink_call(body_->link, name.c_str(), ToVariant(parameters).get(), &reply, &error);
  if (status < 0 && error == nullptr) {
    if (status == -ETIME || status == -ETIMEDOUT) return Fail(ErrorKind::kTimeout, "the daemon did not answer in time");
    if (status == -ECONNRESET || status == -ENOTCONN || status == -EPIPE) {
      return Fail(ErrorKind::kUnavailable, "the daemon closed the connection");
    }
    return std::unexpected(SystemError(body_->socket, -status));
  }
  Answer answer{.error = error == nullptr ? "" : ShortName(error), .parameters = FromVariant(reply)};
  if (auto lost = Lost(answer.error)) return std::unexpected(std::move(*lost));
  return answer;
}

namespace {

struct Conversation {
  const std::function<bool(const Json&)>* visit = nullptr;
  Answer last;
  bool done = false;
};

int Received(sd_varlink* /*link*/, sd_json_variant* parameters, const char* error, sd_varlink_reply_flags_t flags, void* userdata) {
  auto* conversation = static_cast<Conversation*>(userdata);
  conversation->last = {.error = error == nullptr ? "" : ShortName(error), .parameters = FromVariant(parameters)};
  if (error == nullptr && !(*conversation->visit)(conversation->last.parameters)) conversation->done = true;
  if (error != nullptr || (flags & SD_VARLINK_REPLY_CONTINUES) == 0) conversation->done = true;
  return 0;
}

}  // namespace

Result<Answer> Client::Follow(const std::string& method, const Json& parameters, const std::function<bool(const Json&)>& visit) {
  Conversation conversation{.visit = &visit};
  sd_varlink_set_userdata(body_->link, &conversation);
  sd_varlink_set_relative_timeout(body_->link, UINT64_MAX);  // events may be far apart
  const std::string name = std::string(kInterface) + '.' + method;
  int status = sd_varlink_bind_reply(body_->link, Received);
  if (status >= 0) status = sd_varlink_observe(body_->link, name.c_str(), ToVariant(parameters).get());
  while (status >= 0 && !conversation.done) {
    status = sd_varlink_process(body_->link);
    if (status == 0) status = sd_varlink_wait(body_->link, UINT64_MAX);
  }
  if (status < 0 && !conversation.done) {
    if (status == -ECONNRESET || status == -ENOTCONN || status == -EPIPE) {
      return Fail(ErrorKind::kUnavailable, "the daemon closed the connection");
    }
    return std::unexpected(SystemError(body_->socket, -status));
  }
  if (auto lost = Lost(conversation.last.error)) return std::unexpected(std::move(*lost));
  return std::move(conversation.last);
}

}  // namespace egressd::control
