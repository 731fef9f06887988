// Any bytes from an engine's socket, cut anywhere: bounded, no crash, and an identity is hexadecimal whatever was said.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "discover/catalogue.h"
#include "discover/container.h"
#include "discover/http.h"
#include "discover/json_objects.h"

namespace {

using namespace egressd;
using namespace egressd::discover;

void CheckId(const std::string& id) {
  EGRESSD_ASSERT(id.size() >= 12 && id.size() <= 64);
  EGRESSD_ASSERT(id.find_first_not_of("0123456789abcdef") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::size_t step = 1 + bytes[size - 1];
  const bool is_http = text.starts_with("HTTP");
  Catalogue catalogue;
  std::vector<Container> all;
  JsonObjects objects([&](std::string_view object) -> Result<void> {
    EGRESSD_ASSERT(object.size() <= JsonObjects::kLargestObject && object.starts_with('{'));
    for (auto parsed : {ParseListed(object), ParseInspected(object)}) {
      if (!parsed) continue;
      CheckId(parsed->id);
      EGRESSD_ASSERT(!parsed->workload.name.empty() && !parsed->workload.namespace_.empty());
      all.push_back(*parsed);
      catalogue.Set(std::move(*parsed));
    }
    if (const auto event = ParseEvent(object); event && *event) CheckId(**event);
    return {};
  });
  HttpReader reader;
  reader.Expect([&](std::string_view piece) { return objects.Feed(piece); });
  for (std::size_t at = 0; at < text.size(); at += step) {
    const std::string_view piece = text.substr(at, step);
    if (!(is_http ? reader.Feed(piece) : objects.Feed(piece))) break;
  }
  catalogue.Replace(all, {});
  for (const ContainerChange& change : catalogue.Take(1'000'000)) EGRESSD_ASSERT(!change.workload || !change.workload->addresses.empty());
  EGRESSD_ASSERT(!catalogue.has_changes());
  return 0;
}
