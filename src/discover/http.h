// What an HTTP/1.1 server answers on one connection, one answer after the other, over llhttp. The server is not trusted: every length is
// bounded, and bytes that nobody asked for are an error.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "egressd/base/error.h"

namespace egressd::discover {

class HttpReader {
 public:
  // Gets the body in pieces, as they come. An error ends the reading.
  using Body = std::function<Result<void>(std::string_view piece)>;

  HttpReader();
  HttpReader(const HttpReader&) = delete;
  HttpReader& operator=(const HttpReader&) = delete;

  // Of the next answer; the one before is complete, or there was none.
  void Expect(Body body);
  // After an error nothing more is to be fed.
  Result<void> Feed(std::string_view bytes);

  bool has_head() const { return has_head_; }          // status and headers are there
  bool is_complete() const { return is_complete_; }    // and the body is, too; nothing is expected now
  int status() const { return status_; }
  const std::string& api_version() const { return api_version_; }  // the header Api-Version; "" without it
  bool may_go_on() const { return may_go_on_; }        // the connection takes another request after this answer

 private:
  static const llhttp_settings_t& Settings();

  llhttp_t parser_{};
  Body body_;
  Result<void> refused_;                               // what `body_` said, or that a bound was passed
  std::size_t head_bytes_ = 0;
  std::string field_;                                  // the header field that is being read, in lower case
  std::string api_version_;
  int status_ = 0;
  bool has_head_ = false;
  bool is_complete_ = true;
  bool may_go_on_ = false;
};

}  // namespace egressd::discover
