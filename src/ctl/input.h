// What `-f` names: one file, standard input, a directory, or several of them, as one policy text.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "ctl/merge.h"
#include "ctl/session.h"
#include "egressd/policy/policy_set.h"
#include "egressd/yaml/yaml.h"

namespace egressd::ctl {

// The files that the paths name: themselves, standard input, or those of a directory. Errors: no such file, not readable, a directory
// without *.yaml.
std::expected<std::vector<SourceFile>, Complaint> ReadFiles(const std::vector<std::string>& paths);
// How to speak of them: "policy.yaml", "<stdin>", "policy.d".
std::string NameOf(const std::vector<std::string>& paths);
// Findings about files, as a person reads them: each with the source line.
std::string RenderIn(const std::vector<SourceFile>& files, const std::vector<policy::Finding>& findings, bool color);

class Input {
 public:
  static std::expected<Input, Complaint> Read(const std::vector<std::string>& paths);

  const std::string& text() const { return merged_.text; }
  const std::string& name() const { return name_; }
  // Parsed and validated offline; findings point at the files.
  yaml::Parsed<policy::PolicySet> Parse() const;
  // Findings about text() become findings about the files; sorted by file and line.
  void TraceBack(std::vector<policy::Finding>& findings) const;
  // As a person reads them, with the source line; and "3 errors, 1 warning in policy.yaml".
  std::string Render(const std::vector<policy::Finding>& findings, bool color) const;
  std::string Summary(const std::vector<policy::Finding>& findings) const;

 private:
  std::string name_;
  std::vector<SourceFile> files_;
  Merged merged_;
};

// "3 policies, 1 gateway, 1 pool"
std::string Contents(const policy::PolicySet& set);
std::string Summary(const std::vector<policy::Finding>& findings, const std::string& name);
std::string RenderAll(const std::vector<policy::Finding>& findings, const std::string& text, bool color);

// Reads what -f names and parses it; with errors they have been printed and the exit code is the answer.
struct Checked {
  Input input;
  policy::PolicySet set;
  std::vector<policy::Finding> warnings;
};
std::expected<Checked, int> ReadAndCheck(const Session& session);
// Prints what is wrong with files; the exit code. `rendered` and `summary` are for people, `message` says what was not done.
int ComplainAbout(const Session& session, const std::vector<policy::Finding>& findings, const std::string& rendered,
                  const std::string& summary, const std::string& message);
// Prints findings that the daemon had about the input; the exit code.
int ComplainAbout(const Session& session, const Input& input, std::vector<policy::Finding> findings);
// Prints the warnings of the daemon that only it can know of: about egress IPs in use, its own networks.
void WarnAbout(const Session& session, const Checked& checked, const control::Json& parameters);
std::vector<policy::Finding> FindingsIn(const control::Json& parameters);

}  // namespace egressd::ctl
