// Any request at all, in any pieces: one verdict, the same for the whole and for its parts, and nothing kept beyond the bound.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "egressd/base/error.h"
#include "net/http_request.h"

using egressd::net::HttpRequestReader;
using Verdict = HttpRequestReader::Verdict;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  HttpRequestReader whole;
  const Verdict verdict = whole.Feed(text);
  EGRESSD_ASSERT(whole.request().path.size() <= egressd::net::kLargestRequest);
  EGRESSD_ASSERT(whole.request().accept.size() <= 2 * egressd::net::kLargestRequest);
  EGRESSD_ASSERT(text.size() < egressd::net::kLargestRequest || verdict != Verdict::kMore);

  HttpRequestReader parts;
  Verdict now = Verdict::kMore;
  const std::size_t piece = std::size_t{bytes[0]} + 1;
  for (std::size_t at = 0; at < text.size() && now == Verdict::kMore; at += piece) now = parts.Feed(text.substr(at, piece));
  EGRESSD_ASSERT(now == verdict);
  if (verdict == Verdict::kComplete) {
    EGRESSD_ASSERT(parts.request().path == whole.request().path && parts.request().accept == whole.request().accept);
    EGRESSD_ASSERT(parts.request().method == whole.request().method && !whole.request().path.contains('?'));
  }
  return 0;
}
