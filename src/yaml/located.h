// Findings that know a path, but not where it stands.
#pragma once

#include <vector>

#include "egressd/policy/finding.h"
#include "yaml/document.h"
#include "yaml/report.h"

namespace egressd::yaml {

// Adds what Validate found to what reading found, except what only follows from something that could not be read.
void AddLocated(Report& report, std::vector<policy::Finding> findings, const Document& document, const Lines& lines);

}  // namespace egressd::yaml
