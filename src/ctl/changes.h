// How apply and diff show what changes.
#pragma once

#include <string>

#include "ctl/session.h"
#include "egressd/control/json.h"

namespace egressd::ctl {

// "policy/crawler  changed" and the details below, one object after the other.
std::string ListOfChanges(const Session& session, const control::Json& changes);
// As a difference: "@@ policy/crawler @@", "~ priority: 1000 -> 10".
std::string Difference(const Session& session, const control::Json& changes);
// "1 to add, 1 to change, 1 to remove"
std::string CountOfChanges(const control::Json& changes);
bool AnyChange(const control::Json& changes);

}  // namespace egressd::ctl
