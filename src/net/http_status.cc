#include "net/http_status.h"

#include <algorithm>

namespace egressd::net {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// `d` stands for a digit, `s` for what begins the rest of the line.
constexpr std::string_view kForm = "HTTP/1.d ddds";
static_assert(kForm.size() == kStatusBytes);
constexpr std::size_t kStatusAt = 9;

bool Fits(char form, char c) {
  if (form == 'd') return IsDigit(c);
  if (form == 's') return c == ' ' || c == '\r' || c == '\n';
  return form == c;
}

}  // namespace

Result<std::optional<int>> ParseStatus(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, kStatusBytes);
  if (!std::ranges::equal(kForm.substr(0, head.size()), head, Fits)) return Fail(ErrorKind::kInvalid, "no HTTP answer");
  // RFC 9110 section 15: the first digit is the class.
  if (head.size() > kStatusAt && (head[kStatusAt] < '1' || head[kStatusAt] > '5')) return Fail(ErrorKind::kInvalid, "no HTTP answer");
  if (head.size() < kStatusBytes) return std::nullopt;
  const auto digit = [&](std::size_t at) { return head[kStatusAt + at] - '0'; };
  return digit(0) * 100 + digit(1) * 10 + digit(2);
}

}  // namespace egressd::net
