// egressctl's end of the control socket.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "egressd/base/error.h"
#include "egressd/control/json.h"

namespace egressd::control {

struct Answer {
  std::string error;  // empty = success; one of the names in server.h, or a full name of another interface
  Json parameters;
};

class Client {
 public:
  // Errors: kUnavailable (no daemon there), kPermission (the socket's mode and group do not allow it).
  static Result<Client> Connect(const std::string& socket);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Calls io.egressd.<method> and waits. Errors: kUnavailable (the daemon went away), kTimeout.
  Result<Answer> Call(const std::string& method, const Json& parameters);
  // Calls with `more` and hands every answer to `visit`, until that says false or the daemon goes away.
  Result<Answer> Follow(const std::string& method, const Json& parameters, const std::function<bool(const Json&)>& visit);

 private:
  struct Body;
  explicit Client(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::control
