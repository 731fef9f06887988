#include "egressd/control/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <systemd/sd-varlink.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "control/convert.h"
#include "egressd/base/fd.h"

namespace egressd::control {

struct Call::Body {
  sd_varlink* link = nullptr;
  std::string method;
  Json parameters;
  bool follows = false;
  std::uint32_t user = 0;
  std::shared_ptr<bool> open;  // shared with the server, which learns that the caller is gone
};

Call::Call(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Call::~Call() {
  if (is_open()) Fail(kNotReady, Json::Object{{"message", "the daemon is stopping"}});
  sd_varlink_unref(body_->link);
}
const std::string& Call::method() const { return body_->method; }
const Json& Call::parameters() const { return body_->parameters; }
bool Call::follows() const { return body_->follows; }
std::uint32_t Call::user() const { return body_->user; }
bool Call::is_open() const { return *body_->open; }

// A caller that went away in the meantime gets no answer; that is no error of ours, so the results of the library's calls do not matter
// below.
void Call::Reply(const Json& parameters) {
  if (!is_open()) return;
  *body_->open = false;
  sd_varlink_reply(body_->link, ToVariant(parameters).get());
}
void Call::Fail(const std::string& error, const Json& parameters) {
  if (!is_open()) return;
  *body_->open = false;
  sd_varlink_error(body_->link, (std::string(kInterface) + '.' + error).c_str(), ToVariant(parameters).get());
}
void Call::Notify(const Json& parameters) {
  if (is_open() && body_->follows) sd_varlink_notify(body_->link, ToVariant(parameters).get());
}

namespace {

// What the server hands to its callbacks.
struct Context {
  Server::Method method;
  std::map<sd_varlink*, std::shared_ptr<bool>> open;  // the call under way on each connection
};

}  // namespace

struct Server::Body {
  sd_event* event = nullptr;
  sd_varlink_server* server = nullptr;
  std::string path;
  Context context;

  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() {
    for (auto& [link, is_open] : context.open) *is_open = false;
    sd_varlink_server_unref(server);
    sd_event_unref(event);
    if (!path.empty()) ::unlink(path.c_str());
  }
};

namespace {

// libsystemd gives no way to know which method a callback serves, so each method has its own instance.
template <std::size_t kIndex>
int Dispatch(sd_varlink* link, sd_json_variant* parameters, sd_varlink_method_flags_t flags, void* userdata);

constexpr const char* kMethods[] = {"GetStatus", "Validate", "Diff",      "Apply", "Reload",  "List",  "Explain",
                                    "Events",    "Metrics",   "GetPolicy", "Keys", "Version", "Drain", "Undrain", "Move"};

void Begin(void* userdata, sd_varlink* link, sd_json_variant* parameters, sd_varlink_method_flags_t flags, const char* method);

template <std::size_t kIndex>
int Dispatch(sd_varlink* link, sd_json_variant* parameters, sd_varlink_method_flags_t flags, void* userdata) {
  Begin(userdata, link, parameters, flags, kMethods[kIndex]);
  return 1;
}

template <std::size_t... kIndices>
int BindAll(sd_varlink_server* server, std::index_sequence<kIndices...>) {
  int status = 0;
  const auto bind = [&](const char* method, sd_varlink_method_t callback) {
    if (status < 0) return;
    const std::string name = std::string(kInterface) + '.' + method;
    status = sd_varlink_server_bind_method(server, name.c_str(), callback);
  };
  (bind(kMethods[kIndices], Dispatch<kIndices>), ...);
  return status;
}

void Begin(void* userdata, sd_varlink* link, sd_json_variant* parameters, sd_varlink_method_flags_t flags, const char* method) {
  auto* context = static_cast<Context*>(userdata);
  auto body = std::make_unique<Call::Body>();
  body->link = sd_varlink_ref(link);
  body->method = method;
  body->parameters = FromVariant(parameters);
  body->follows = (flags & SD_VARLINK_METHOD_MORE) != 0;
  body->open = std::make_shared<bool>(true);
  uid_t user = static_cast<uid_t>(-1);
  sd_varlink_get_peer_uid(link, &user);
  body->user = user;
  context->open[link] = body->open;
  context->method(std::make_shared<Call>(std::move(body)));
}

void Gone(sd_varlink_server* /*server*/, sd_varlink* link, void* userdata) {
  auto* context = static_cast<Context*>(userdata);
  const auto found = context->open.find(link);
  if (found == context->open.end()) return;
  *found->second = false;
  context->open.erase(found);
}

Result<Fd> Listen(const Server::Settings& settings) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (settings.path.size() >= sizeof address.sun_path) {
    return Fail(ErrorKind::kInvalid,
                settings.path + ": the path of a socket has at most " + std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, settings.path.c_str(), settings.path.size() + 1);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return std::unexpected(SystemError("socket", errno));
  ::unlink(settings.path.c_str());
  const mode_t before = ::umask(0177);  // nobody else may connect before group and mode are set
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(before);
  if (bound < 0) return std::unexpected(SystemError(settings.path, error));
  if (settings.group && ::chown(settings.path.c_str(), static_cast<uid_t>(-1), *settings.group) < 0) {
    return std::unexpected(SystemError(settings.path + ": setting the group", errno));
  }
  if (::chmod(settings.path.c_str(), 0660) < 0 || ::listen(fd.get(), 64) < 0) return std::unexpected(SystemError(settings.path, errno));
  return fd;
}

}  // namespace

Server::Server(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::Open(const Settings& settings, Method method) {
  auto fd = Listen(settings);
  if (!fd) return std::unexpected(std::move(fd.error()));
  auto body = std::make_unique<Body>();
  body->path = settings.path;
  body->context.method = std::move(method);
  int status = sd_event_new(&body->event);
  if (status >= 0) status = sd_varlink_server_new(&body->server, SD_VARLINK_SERVER_INHERIT_USERDATA);
  if (status >= 0) status = sd_varlink_server_set_info(body->server, "egressd", "egressd", EGRESSD_VERSION, "https://varlink.org/");
  if (status >= 0) status = sd_varlink_server_add_interface(body->server, Interface());
  if (status >= 0) status = BindAll(body->server, std::make_index_sequence<std::size(kMethods)>());
  if (status >= 0) status = sd_varlink_server_bind_disconnect(body->server, Gone);
  if (status >= 0) {
    sd_varlink_server_set_userdata(body->server, &body->context);
    const int listening = ::fcntl(fd->get(), F_DUPFD_CLOEXEC, 3);  // the server takes this one over
    status = listening < 0 ? -errno : sd_varlink_server_listen_fd(body->server, listening);
  }
  if (status >= 0) status = sd_varlink_server_attach_event(body->server, body->event, SD_EVENT_PRIORITY_NORMAL);
  if (status < 0) return std::unexpected(SystemError("control socket " + settings.path, -status));
  return Server(std::move(body));
}

int Server::fd() const { return sd_event_get_fd(body_->event); }

void Server::Process() {
  // Bounded, so that a flood of calls cannot keep the daemon from its other duties.
  for (int round = 0; round < 256; ++round) {
    if (sd_event_run(body_->event, 0) <= 0) return;
  }
}

}  // namespace egressd::control
