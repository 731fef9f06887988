// One run of egressctl: its arguments, its way to the daemon, its ways to speak.
//
// 1. Results go to stdout, complaints to stderr; with -o json (or yaml) complaints are an object on stdout, too.
// 2. Every complaint says what to do about it, where that is known.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "ctl/arguments.h"
#include "egressd/base/error.h"
#include "egressd/control/client.h"
#include "egressd/control/json.h"
#include "egressd/policy/finding.h"

namespace egressd::ctl {

struct Complaint {
  int exit_code = 1;
  std::string message;
  std::string hint;
};

class Session {
 public:
  explicit Session(Arguments arguments) : arguments_(std::move(arguments)) {}

  const Arguments& arguments() const { return arguments_; }
  Format format() const { return arguments_.format; }
  // -o json or -o yaml.
  bool structured() const { return format() == Format::kJson || format() == Format::kYaml; }

  // Results. Say is silent with -q.
  void Say(const std::string& text) const;
  void Print(const std::string& text) const;
  void Print(const control::Json& value) const;   // in the format asked for
  // A complaint; returns its exit code.
  int Complain(const Complaint& complaint) const;
  int Complain(const Error& error) const;

  // Calls one method. Failures of the call and refusals by the daemon become complaints; findings are for the verb (below).
  std::expected<control::Json, Complaint> Ask(const std::string& method, const control::Json& parameters);
  // The same, handing on refusals.
  Result<control::Answer> Call(const std::string& method, const control::Json& parameters);
  Result<control::Answer> Follow(const std::string& method, const control::Json& parameters,
                                 const std::function<bool(const control::Json&)>& visit);
  Complaint FromError(const Error& error) const;
  Complaint FromRefusal(const control::Answer& answer) const;

  // ANSI colours, when wanted.
  std::string Green(const std::string& text) const { return Colored(text, "32"); }
  std::string Red(const std::string& text) const { return Colored(text, "31"); }
  std::string Yellow(const std::string& text) const { return Colored(text, "33"); }
  std::string Bold(const std::string& text) const { return Colored(text, "1"); }

 private:
  std::string Colored(const std::string& text, const char* code) const;

  Arguments arguments_;
  std::optional<control::Client> client_;
};

control::Json ToJson(const policy::Finding& finding);
policy::Finding FindingFrom(const control::Json& value);
// "1 policy", "3 policies"; the plural is the singular with an s unless given.
std::string Count(std::size_t number, const std::string& singular, std::string plural = "");

}  // namespace egressd::ctl
