// Any text as manifests: reading must end, and either say what is wrong or give a policy file that reads as the same set.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "egressd/base/error.h"
#include "egressd/convert/convert.h"
#include "egressd/yaml/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto conversion = egressd::convert::Convert({{.name = "k.yaml", .text = std::string(text)}});
  for (const egressd::policy::Finding& finding : conversion.findings) {
    EGRESSD_ASSERT(!finding.code.empty() && !finding.message.empty() && finding.file == "k.yaml");
    EGRESSD_ASSERT(!egressd::yaml::Render(finding, text, false).empty());
  }
  if (!conversion.ok()) return 0;
  const auto read = egressd::yaml::ParsePolicy(egressd::convert::Write(conversion), "policy.yaml");
  EGRESSD_ASSERT(read.ok());
  EGRESSD_ASSERT(read.value == conversion.set);
  return 0;
}
