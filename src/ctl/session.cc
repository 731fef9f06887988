#include "ctl/session.h"

#include <cstdio>
#include <format>

#include "egressd/base/exit_codes.h"
#include "egressd/control/server.h"

namespace egressd::ctl {

using control::Json;

void Session::Say(const std::string& text) const {
  if (!arguments_.quiet) Print(text);
}

void Session::Print(const std::string& text) const {
  std::fputs(text.c_str(), stdout);
  if (!text.empty() && text.back() != '\n') std::fputc('\n', stdout);
  std::fflush(stdout);
}

void Session::Print(const Json& value) const { Print(format() == Format::kYaml ? control::ToYaml(value) : control::ToIndentedText(value)); }

int Session::Complain(const Complaint& complaint) const {
  if (structured()) {
    Print(Json::Object{
        {"schema", "egressd.error/v1"}, {"exit", complaint.exit_code}, {"message", complaint.message}, {"hint", complaint.hint}});
    return complaint.exit_code;
  }
  std::fputs(std::format("{} {}\n", Red("egressctl:"), complaint.message).c_str(), stderr);
  if (!complaint.hint.empty()) std::fputs(std::format("  try  {}\n", complaint.hint).c_str(), stderr);
  return complaint.exit_code;
}

int Session::Complain(const Error& error) const { return Complain(FromError(error)); }

Complaint Session::FromError(const Error& error) const {
  switch (error.kind) {
    case ErrorKind::kUnavailable:
      return {.exit_code = kNotRunning,
              .message = std::format("egressd is not running ({})", error.message),
              .hint = "systemctl start egressd"};
    case ErrorKind::kPermission:
      return {.exit_code = kNoPermission, .message = error.message, .hint = "sudo, or become a member of the group in control.group"};
    case ErrorKind::kTimeout: return {.exit_code = kTimedOut, .message = error.message};
    case ErrorKind::kNotFound:
    case ErrorKind::kInvalid:
    case ErrorKind::kSystem:
    case ErrorKind::kStale:
    case ErrorKind::kExpired: break;
  }
  return {.exit_code = kFailed, .message = error.message};
}

Complaint Session::FromRefusal(const control::Answer& answer) const {
  const std::string message = answer.parameters["message"].text();
  if (answer.error == control::kNoSuchObject) return {.exit_code = kNoSuchObject, .message = message};
  if (answer.error == control::kBadArgument) return {.exit_code = kUsage, .message = message};
  if (answer.error == control::kInvalid) {
    const policy::Finding first =
        FindingFrom(answer.parameters["findings"].items().empty() ? Json() : answer.parameters["findings"].items().front());
    return {.exit_code = kInvalidConfiguration,
            .message = std::format("{}:{}:{}: {}", first.file, first.line, first.column, first.message),
            .hint = first.hint};
  }
  if (answer.error.starts_with("org.varlink.service.")) {
    return {.exit_code = kFailed,
            .message = "the daemon does not know this call (" + answer.error + "): are its version and this one's the same?"};
  }
  return {.exit_code = kFailed, .message = message.empty() ? answer.error : message};
}

Result<control::Answer> Session::Call(const std::string& method, const Json& parameters) {
  if (!client_) {
    auto client = control::Client::Connect(arguments_.socket);
    if (!client) return std::unexpected(std::move(client.error()));
    client_ = std::move(*client);
  }
  return client_->Call(method, parameters);
}

Result<control::Answer> Session::Follow(const std::string& method, const Json& parameters, const std::function<bool(const Json&)>& visit) {
  auto client = control::Client::Connect(arguments_.socket);
  if (!client) return std::unexpected(std::move(client.error()));
  return client->Follow(method, parameters, visit);
}

std::expected<Json, Complaint> Session::Ask(const std::string& method, const Json& parameters) {
  auto answer = Call(method, parameters);
  if (!answer) return std::unexpected(FromError(answer.error()));
  if (!answer->error.empty()) return std::unexpected(FromRefusal(*answer));
  return std::move(answer->parameters);
}

std::string Session::Colored(const std::string& text, const char* code) const {
  return arguments_.color ? std::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

Json ToJson(const policy::Finding& finding) {
  return Json::Object{{"file", finding.file},
                      {"line", finding.line},
                      {"column", finding.column},
                      {"severity", finding.severity == policy::Severity::kError ? "error" : "warning"},
                      {"code", finding.code},
                      {"message", finding.message},
                      {"path", finding.path},
                      {"hint", finding.hint}};
}

policy::Finding FindingFrom(const Json& value) {
  return {.severity = value["severity"].text() == "warning" ? policy::Severity::kWarning : policy::Severity::kError,
          .code = value["code"].text(),
          .path = value["path"].text(),
          .message = value["message"].text(),
          .hint = value["hint"].text(),
          .file = value["file"].text(),
          .line = static_cast<int>(value["line"].integer()),
          .column = static_cast<int>(value["column"].integer())};
}

std::string Count(std::size_t number, const std::string& singular, std::string plural) {
  if (plural.empty()) plural = singular + 's';
  return std::format("{} {}", number, number == 1 ? singular : plural);
}

}  // namespace egressd::ctl
