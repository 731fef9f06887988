// Any text at all: reading must end, stay within its limits, and say something when it refuses.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "egressd/base/error.h"
#include "egressd/yaml/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto policy = egressd::yaml::ParsePolicy(text, "policy.yaml");
  EGRESSD_ASSERT(policy.findings.size() <= 101);
  for (const egressd::policy::Finding& finding : policy.findings) {
    EGRESSD_ASSERT(!finding.code.empty() && !finding.message.empty());
    EGRESSD_ASSERT(!egressd::yaml::Render(finding, text, true).empty());
  }
  (void)egressd::yaml::ParseNodeConfig(text, "egressd.yaml");
  (void)egressd::yaml::ParseWorkloads(text, "workloads.yaml");
  return 0;
}
