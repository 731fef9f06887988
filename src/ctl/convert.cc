// egressctl convert: manifests of spidernet EgressGateway, Antrea, Kube-OVN and Cilium become a policy file on standard output.
#include "egressd/convert/convert.h"

#include <algorithm>
#include <cstdio>
#include <format>

#include "ctl/input.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

namespace {

constexpr std::size_t kNoteWidth = 100;

// At blanks, each line behind the margin.
std::string Wrapped(std::string_view text, const std::string& margin) {
  std::string out;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (column == 0 || column + word.size() + 1 > kNoteWidth) {
      out += (column == 0 ? "" : "\n") + margin;
      column = 0;
    } else {
      out += ' ';
    }
    out += word;
    column += word.size() + 1;
    at = end + 1;
  }
  return out + '\n';
}

std::string Colored(const Session& session, convert::Outcome outcome) {
  const std::string word(convert::ToString(outcome));
  if (outcome == convert::Outcome::kExact) return session.Green(word);
  return outcome == convert::Outcome::kApproximated ? session.Yellow(word) : session.Red(word);
}

// What became of an object, field by field; "" = all of it is exact and that is not asked for.
std::string Account(const Session& session, const convert::Object& object, bool exact_too) {
  std::string out;
  for (const convert::Field& field : object.fields) {
    if (field.outcome == convert::Outcome::kExact && !exact_too) continue;
    const std::string arrow = field.becomes.empty() ? "" : " -> " + field.becomes;
    const std::string padding(12 - convert::ToString(field.outcome).size(), ' ');
    out += std::format("  {}{}  {}{}\n", Colored(session, field.outcome), padding, field.path.empty() ? "all of it" : field.path, arrow);
    if (!field.note.empty()) out += Wrapped(field.note, std::string(16, ' '));
  }
  if (out.empty() && !exact_too) return "";
  const std::string creates = object.creates.empty() ? "" : " -> " + Join(object.creates, ", ");
  return session.Bold(std::format("{} ({}:{})", object.Title(), object.file, object.line)) + creates + '\n' + out;
}

std::string Sum(const convert::Conversion& conversion) {
  using enum convert::Outcome;
  return std::format("{}; fields: {} exact, {} approximated, {} dropped", Count(conversion.objects.size(), "object"),
                     conversion.Count(kExact), conversion.Count(kApproximated), conversion.Count(kDropped));
}

Json ToJson(const convert::Conversion& conversion, const std::string& text) {
  Json::Array objects;
  for (const convert::Object& object : conversion.objects) {
    Json::Array fields;
    for (const convert::Field& field : object.fields) {
      fields.push_back(Json::Object{{"path", field.path},
                                    {"outcome", convert::ToString(field.outcome)},
                                    {"becomes", field.becomes},
                                    {"note", field.note},
                                    {"line", field.line}});
    }
    objects.push_back(Json::Object{{"kind", object.kind},
                                   {"namespace", object.namespace_},
                                   {"name", object.name},
                                   {"file", object.file},
                                   {"line", object.line},
                                   {"column", object.column},
                                   {"creates", Json::List(object.creates)},
                                   {"fields", fields}});
  }
  using enum convert::Outcome;
  return Json::Object{{"schema", "egressd.convert/v1"},
                      {"exact", conversion.Count(kExact)},
                      {"approximated", conversion.Count(kApproximated)},
                      {"dropped", conversion.Count(kDropped)},
                      {"policy", text},
                      {"objects", objects}};
}

}  // namespace

int Convert(Session& session) {
  const auto paths = session.arguments().All("file");
  if (paths.empty()) {
    return session.Complain(
        {.exit_code = kUsage, .message = "convert needs a file of manifests", .hint = "egressctl convert -f egress.yaml > policy.yaml"});
  }
  const auto files = ReadFiles(paths);
  if (!files) return session.Complain(files.error());
  std::vector<convert::Source> sources;
  for (const SourceFile& file : *files) sources.push_back({.name = file.name, .text = file.text});
  const convert::Conversion conversion = convert::Convert(sources);
  if (!conversion.ok()) {
    return ComplainAbout(session, conversion.findings, RenderIn(*files, conversion.findings, session.arguments().color),
                         Summary(conversion.findings, NameOf(paths)), "these manifests cannot be converted");
  }
  const std::string text = convert::Write(conversion);
  const bool inexact = conversion.Count(convert::Outcome::kApproximated) + conversion.Count(convert::Outcome::kDropped) > 0;
  const bool strict = session.arguments().Has("strict") && inexact;
  if (session.structured()) {
    session.Print(ToJson(conversion, text));
    return strict ? kFailed : kDone;
  }
  session.Print(text);
  const bool report = session.arguments().Has("report");
  std::string account;
  for (const convert::Object& object : conversion.objects) {
    if (report || strict) account += Account(session, object, report);
  }
  if (report || strict || !session.arguments().quiet) {
    account += Sum(conversion) + (inexact && !report ? " (--report says which)\n" : "\n");
  }
  std::fputs(account.c_str(), stderr);
  return strict ? kFailed : kDone;
}

}  // namespace egressd::ctl
