// Any Accept header at all gets one of the two formats; without the name of OpenMetrics in it never that one.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "daemon/exposition.h"
#include "egressd/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using egressd::daemon::Exposition;
  const std::string_view accept(reinterpret_cast<const char*>(bytes), size);
  const Exposition chosen = egressd::daemon::ExpositionFor(accept);
  EGRESSD_ASSERT(chosen == Exposition::kPrometheus || accept.contains("application/openmetrics-text"));
  // A label value is one quoted string, whatever is in it: no line end, and no quote that ends it early.
  egressd::daemon::Samples samples("m");
  samples.Add({{"l", accept}}, std::uint64_t{1});
  const std::string_view text = samples.text();
  EGRESSD_ASSERT(text.starts_with("m{l=\"") && text.ends_with("\"} 1\n") && text.find('\n') == text.size() - 1);
  const std::string_view value = text.substr(5, text.size() - 10);
  for (std::size_t at = 0; at < value.size(); ++at) {
    EGRESSD_ASSERT(value[at] != '"');
    if (value[at] == '\\') ++at;
    EGRESSD_ASSERT(at < value.size());
  }
  return 0;
}
