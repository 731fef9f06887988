// The one request of a connection, over llhttp: a method, a path, what the client accepts. The client is not trusted: every length is
// bounded, a body is refused, what it may send behind its request is left unread.
//
// 1. After Feed has said something other than kMore nothing more is to be fed.
// 2. Whatever comes, in whatever pieces: at most kLargestRequest bytes are looked at.
// Used by http_server.cc.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "egressd/net/http_server.h"

namespace egressd::net {

inline constexpr std::size_t kLargestRequest = 8192;  // bytes: request line and headers

class HttpRequestReader {
 public:
  enum class Verdict : std::uint8_t {
    kMore,      // goes on
    kComplete,  // request() is there
    kBad,       // it is none
    kTooLarge,
  };

  HttpRequestReader();
  HttpRequestReader(const HttpRequestReader&) = delete;
  HttpRequestReader& operator=(const HttpRequestReader&) = delete;

  Verdict Feed(std::string_view bytes);
  const HttpRequest& request() const { return request_; }

 private:
  static const llhttp_settings_t& Settings();

  llhttp_t parser_{};
  HttpRequest request_;
  std::string field_;        // the header field that is being read, in lower case
  std::size_t bytes_ = 0;
  bool is_complete_ = false;
};

}  // namespace egressd::net
