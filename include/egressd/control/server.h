// The daemon's end of the control socket: the Varlink interface io.egressd (src/control/interface.cc declares it).
//
// 1. The socket has mode 0660 and the given group; who cannot open it is told so by the kernel. The peer's user is known by SO_PEERCRED.
// 2. A handler may answer at once or keep the Call and answer later; a Call that is dropped without an answer answers NotReady.
// 3. Everything runs in Process(), in the caller's thread; nothing blocks.
// Called by daemon/daemon.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "egressd/base/error.h"
#include "egressd/control/json.h"

namespace egressd::control {

inline constexpr const char* kInterface = "io.egressd";
// Names of its errors, without the interface.
inline constexpr const char* kInvalid = "Invalid";            // findings: []Finding
inline constexpr const char* kRefused = "Refused";            // message: what the kernel said
inline constexpr const char* kNoSuchObject = "NoSuchObject";  // message
inline constexpr const char* kNotReady = "NotReady";          // message
inline constexpr const char* kBadArgument = "BadArgument";    // message

// A method call that waits for its answer.
class Call {
 public:
  ~Call();
  const std::string& method() const;  // without the interface
  const Json& parameters() const;
  bool follows() const;               // the caller wants more than one answer
  std::uint32_t user() const;         // of the caller
  bool is_open() const;               // false once the caller is gone or has been answered
  void Reply(const Json& parameters);
  void Fail(const std::string& error, const Json& parameters);
  // One of many answers; only when follows().
  void Notify(const Json& parameters);

  struct Body;
  explicit Call(std::unique_ptr<Body> body);

 private:
  std::unique_ptr<Body> body_;
};

class Server {
 public:
  using Method = std::function<void(std::shared_ptr<Call>)>;
  struct Settings {
    std::string path;
    std::optional<std::uint32_t> group;  // unset = that of the process
  };
  // Replaces a stale socket. The caller holds the lock of the run directory (files.h), so no other daemon listens there.
  static Result<Server> Open(const Settings& settings, Method method);
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();

  // Readable when Process has something to do.
  int fd() const;
  // Serves everything that waits; to be called also after answers that were given outside of it.
  void Process();

 private:
  struct Body;
  explicit Server(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::control
