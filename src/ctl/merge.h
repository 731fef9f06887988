// Several policy files as one text: `-f DIRECTORY`. Their maps (workloads, pools, gateways, policies, …) are put together key by key;
// everything else may stand in one file only. Pure.
//
// 1. One file stays as it is, byte for byte.
// 2. Every line of the merged text knows where it came from, so that findings point at what the operator wrote.
// 3. A key of a map that two files define shows as a duplicate key, as inside one file.
#pragma once

#include <string>
#include <vector>

#include "egressd/policy/finding.h"

namespace egressd::ctl {

struct SourceFile {
  std::string name;
  std::string text;
};

struct Merged {
  struct Origin {
    std::size_t file = 0;
    int line = 0;        // 1-based
    int shift = 0;       // columns that the merged text is further to the right
  };
  std::string text;
  std::vector<Origin> origins;              // one a line; empty = one file, nothing moved
  std::vector<policy::Finding> findings;    // why the files cannot be merged; already point at the files
};

Merged Merge(const std::vector<SourceFile>& files);
// A finding about the merged text becomes one about the file that the line came from.
void TraceBack(policy::Finding& finding, const Merged& merged, const std::vector<SourceFile>& files);

}  // namespace egressd::ctl
