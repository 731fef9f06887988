#include "ctl/input.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <format>
#include <tuple>

#include "ctl/table.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"

namespace egressd::ctl {

namespace {

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> out;
  if (DIR* open = ::opendir(directory.c_str()); open != nullptr) {
    while (const dirent* entry = ::readdir(open)) {
      const std::string name = entry->d_name;
      if (!name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))) out.push_back(directory + '/' + name);
    }
    ::closedir(open);
  }
  std::ranges::sort(out);
  return out;
}

Result<std::string> StandardInput() {
  std::string out;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(SystemError("standard input", errno));
    if (got == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(got));
    if (out.size() > control::kLargestFile) return Fail(ErrorKind::kInvalid, "standard input: larger than 64 MiB");
  }
}

}  // namespace

std::expected<std::vector<SourceFile>, Complaint> ReadFiles(const std::vector<std::string>& paths) {
  std::vector<SourceFile> out;
  for (std::string path : paths) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    struct stat is{};
    const bool directory = path != "-" && ::stat(path.c_str(), &is) == 0 && S_ISDIR(is.st_mode);
    const auto names = directory ? FilesIn(path) : std::vector<std::string>{path};
    if (names.empty()) return std::unexpected(Complaint{.message = path + ": there is no *.yaml in this directory"});
    for (const std::string& name : names) {
      auto text = name == "-" ? StandardInput() : control::ReadFile(name);
      if (!text) {
        return std::unexpected(
            Complaint{.exit_code = text.error().kind == ErrorKind::kPermission ? kNoPermission : kFailed, .message = text.error().message});
      }
      out.push_back({.name = name == "-" ? "<stdin>" : name, .text = std::move(*text)});
    }
  }
  return out;
}

std::string NameOf(const std::vector<std::string>& paths) {
  return paths.size() == 1 && paths.front() == "-" ? "<stdin>" : Join(paths, " ");
}

std::expected<Input, Complaint> Input::Read(const std::vector<std::string>& paths) {
  auto files = ReadFiles(paths);
  if (!files) return std::unexpected(std::move(files.error()));
  Input out;
  out.name_ = NameOf(paths);
  out.files_ = std::move(*files);
  out.merged_ = Merge(out.files_);
  return out;
}

yaml::Parsed<policy::PolicySet> Input::Parse() const {
  if (!merged_.findings.empty()) return {.findings = merged_.findings};
  auto parsed = yaml::ParsePolicy(merged_.text, files_.front().name);
  TraceBack(parsed.findings);
  return parsed;
}

void Input::TraceBack(std::vector<policy::Finding>& findings) const {
  for (policy::Finding& finding : findings) {
    ctl::TraceBack(finding, merged_, files_);
  }
  std::ranges::stable_sort(findings, {}, [](const policy::Finding& f) { return std::tie(f.file, f.line, f.column); });
}

std::string Input::Render(const std::vector<policy::Finding>& findings, bool color) const {
  return RenderIn(files_, findings, color);
}

std::string RenderIn(const std::vector<SourceFile>& files, const std::vector<policy::Finding>& findings, bool color) {
  std::string out;
  for (const policy::Finding& finding : findings) {
    const auto file = std::ranges::find(files, finding.file, &SourceFile::name);
    out += RenderAll({finding}, file == files.end() ? "" : file->text, color);
  }
  return out;
}

std::string Input::Summary(const std::vector<policy::Finding>& findings) const { return ctl::Summary(findings, name_); }

std::string RenderAll(const std::vector<policy::Finding>& findings, const std::string& text, bool color) {
  std::string out;
  for (const policy::Finding& finding : findings) {
    std::string one = yaml::Render(finding, text, color);
    while (one.ends_with('\n')) one.pop_back();
    out += one + "\n\n";
  }
  return out;
}

std::string Summary(const std::vector<policy::Finding>& findings, const std::string& name) {
  const auto errors = static_cast<std::size_t>(std::ranges::count(findings, policy::Severity::kError, &policy::Finding::severity));
  const std::size_t warnings = findings.size() - errors;
  std::vector<std::string> parts;
  if (errors > 0) parts.push_back(Count(errors, "error"));
  if (warnings > 0) parts.push_back(Count(warnings, "warning"));
  return parts.empty() ? "" : Join(parts, ", ") + " in " + name + '\n';
}

std::string Contents(const policy::PolicySet& set) {
  std::vector<std::string> parts{Count(set.policies.size(), "policy", "policies"), Count(set.gateways.size(), "gateway"),
                                 Count(set.pools.size(), "pool")};
  if (!set.workloads.empty()) parts.push_back(Count(set.workloads.size(), "workload"));
  return Join(parts, ", ");
}

std::vector<policy::Finding> FindingsIn(const control::Json& parameters) {
  std::vector<policy::Finding> out;
  for (const control::Json& finding : parameters["findings"].items()) out.push_back(FindingFrom(finding));
  return out;
}

int ComplainAbout(const Session& session, const std::vector<policy::Finding>& findings, const std::string& rendered,
                  const std::string& summary, const std::string& message) {
  if (session.structured()) {
    control::Json::Array list;
    for (const policy::Finding& finding : findings) list.push_back(ToJson(finding));
    session.Print(control::Json::Object{{"schema", "egressd.error/v1"},
                                        {"exit", kInvalidConfiguration},
                                        {"message", message},
                                        {"hint", ""},
                                        {"findings", list}});
    return kInvalidConfiguration;
  }
  std::fputs((rendered + summary).c_str(), stderr);
  return kInvalidConfiguration;
}

int ComplainAbout(const Session& session, const Input& input, std::vector<policy::Finding> findings) {
  return ComplainAbout(session, findings, input.Render(findings, session.arguments().color), input.Summary(findings),
                       "invalid policy: nothing was changed");
}

void WarnAbout(const Session& session, const Checked& checked, const control::Json& parameters) {
  if (session.structured()) return;
  std::vector<policy::Finding> findings = FindingsIn(parameters);
  std::erase_if(findings, [&](const policy::Finding& finding) {
    return std::ranges::any_of(checked.warnings, [&](const policy::Finding& known) {
      return known.code == finding.code && known.path == finding.path && known.message == finding.message;
    });
  });
  checked.input.TraceBack(findings);
  std::fputs(checked.input.Render(findings, session.arguments().color).c_str(), stderr);
}

std::expected<Checked, int> ReadAndCheck(const Session& session) {
  const auto paths = session.arguments().All("file");
  if (paths.empty()) {
    return std::unexpected(session.Complain({.exit_code = kUsage,
                                             .message = session.arguments().verb + " needs a policy file",
                                             .hint = "egressctl " + session.arguments().verb + " -f policy.yaml"}));
  }
  auto input = Input::Read(paths);
  if (!input) return std::unexpected(session.Complain(input.error()));
  auto parsed = input->Parse();
  if (!parsed.ok()) return std::unexpected(ComplainAbout(session, *input, parsed.findings));
  return Checked{.input = std::move(*input), .set = std::move(parsed.value), .warnings = std::move(parsed.findings)};
}

}  // namespace egressd::ctl
