// Policy set → the text of a policy file: what `egressctl convert` prints.
//
// 1. ParsePolicy(Write(set)) gives the same set again, for every set that could come out of a file.
// 2. What has its default is left out; objects stand in the order of their names, keys in the order of egress-policy(5).
#pragma once

#include <map>
#include <string>

#include "egressd/policy/policy_set.h"

namespace egressd::yaml {

// Path of an object ("policies.mailer", "pools.public", "internal"; "" = the top of the file) → what a comment above it says.
using Comments = std::map<std::string, std::string>;

std::string Write(const policy::PolicySet& set, const Comments& comments = {});

}  // namespace egressd::yaml
