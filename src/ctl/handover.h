// Follows egress IPs to their new holders through the daemon's status, for the verbs that order it: drain and move.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "ctl/session.h"

namespace egressd::ctl {

struct Moved {
  std::string ip, to;
  std::int64_t after_ms = 0;   // the order was taken
};
struct Held {
  std::string ip, node;        // "" = nobody
};
struct Handover {
  std::vector<Moved> moved;    // in the order in which it was seen
  std::vector<Held> remaining; // at the end
  bool confirmed = false;      // at the end
};

// What a handover waits for: every one of `ips` has arrived, or is no longer in use, and more.
struct Awaited {
  std::set<std::string> ips;
  std::string to;              // where they arrive; "" = with anybody but `from`
  std::string from;            // holds nothing at the end; "" = no matter
  std::function<bool(const control::Json& status)> confirmed = [](const control::Json&) { return true; };
  std::function<void(const Moved&)> arrived = [](const Moved&) {};  // called for each
};

// Looks again and again until everything awaited is so, or `patience` is over.
std::expected<Handover, Complaint> Follow(Session& session, const Awaited& awaited, std::chrono::milliseconds patience);

// --wait, 30 seconds unless given; or what is wrong with it.
std::expected<std::chrono::milliseconds, Complaint> PatienceOf(const Session& session);
// The same as a text, for complaints.
std::string WaitText(const Session& session);
// "gw1 holds 203.0.113.7, nobody holds 203.0.113.8".
std::string ToText(const std::vector<Held>& remaining);
// The value of a duration option as written, with its unit.
std::string WithUnit(std::string duration);

}  // namespace egressd::ctl
