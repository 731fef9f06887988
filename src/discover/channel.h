// One connection to an engine: one request at a time, and what comes back.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "discover/http.h"
#include "egressd/base/fd.h"

namespace egressd::discover {

class Channel {
 public:
  // Non-blocking. Errors: kNotFound (there is no such socket, or it cannot be seen), kUnavailable (nobody answers, or not now),
  // kPermission, kSystem.
  Result<void> Connect(const std::string& path);
  void Close();
  bool is_open() const { return fd_.is_open(); }
  int fd() const { return fd_.get(); }

  // Asks for `target` ("/v1.41/containers/json"). Needs an open connection whose last answer is complete.
  Result<void> Get(std::string_view target, HttpReader::Body body);
  // Reads what there is, up to a bounded number of bytes. An end of the connection with an answer outstanding is an error; without one the
  // channel is closed.
  Result<void> Receive();
  const HttpReader& answer() const { return *reader_; }

 private:
  Fd fd_;
  std::unique_ptr<HttpReader> reader_ = std::make_unique<HttpReader>();
};

}  // namespace egressd::discover
