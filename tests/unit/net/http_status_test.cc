#include "net/http_status.h"

#include <doctest/doctest.h>

#include <string>

namespace egressd::net {

TEST_CASE("thirteen bytes tell the status") {
  CHECK(ParseStatus("HTTP/1.1 200 OK\r\n").value() == 200);
  CHECK(ParseStatus("HTTP/1.0 404\r").value() == 404);
  CHECK(ParseStatus("HTTP/1.1 503\n").value() == 503);
  CHECK(ParseStatus("HTTP/1.1 599 ").value() == 599);
}

TEST_CASE("until then every beginning of a status line may become one") {
  const std::string line = "HTTP/1.1 200 OK\r\n";
  for (std::size_t length = 0; length < kStatusBytes; ++length) {
    const auto status = ParseStatus(line.substr(0, length));
    REQUIRE(status);
    CHECK_FALSE(*status);
  }
}

TEST_CASE("what is no status line is known at its first wrong byte") {
  for (const char* bytes : {"h", "HTTPS", "HTTP/2", "HTTP/1.x", "HTTP/1.1  2", "HTTP/1.1 099", "HTTP/1.1 600", "HTTP/1.1 2x",
                            "HTTP/1.1 200x", "HTTP/1.1 2000", "\r\nHTTP/1.1 200 OK"}) {
    CHECK_MESSAGE(!ParseStatus(bytes), bytes);
  }
}

}  // namespace egressd::net
