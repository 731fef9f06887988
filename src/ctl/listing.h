// How each kind of object looks in a list: its columns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ctl/session.h"
#include "egressd/control/json.h"

namespace egressd::ctl {

enum class Shown : std::uint8_t {
  kAlways,
  kWhenSet,                    // when at least one row has something there, and with -o wide
  kWide,                       // only with -o wide
};
struct Column {
  const char* title;
  std::string (*cell)(const Session& session, const control::Json& item);  // "-" = nothing there
  Shown shown = Shown::kAlways;
};
struct Kind {
  const char* name;            // "policies"
  const char* singular;        // "policy"; `-o name` prints policy/mailer
  const char* key;             // the member that names the object
  std::vector<const char*> aliases;
  std::vector<Column> columns;
};

std::span<const Kind> Kinds();
std::string Listing(const Session& session, const Kind& kind, const control::Json& items);
std::string PaintedState(const Session& session, const std::string& state);
std::string JoinTexts(const control::Json& list, std::string_view separator);

}  // namespace egressd::ctl
