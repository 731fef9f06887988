#include "egressd/control/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <format>

#include "egressd/base/error.h"

namespace egressd::control {

Json::Json() = default;
Json::Json(double value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}

std::int64_t Json::integer() const {
  if (is_integer()) return std::get<std::int64_t>(value_);
  if (is_real() && std::abs(std::get<double>(value_)) < 9e15) return std::llround(std::get<double>(value_));
  return 0;
}

double Json::real() const {
  if (is_real()) return std::get<double>(value_);
  return is_integer() ? static_cast<double>(std::get<std::int64_t>(value_)) : 0.0;
}

const std::string& Json::text() const {
  static const std::string kNone;
  return is_text() ? std::get<std::string>(value_) : kNone;
}

const Json::Array& Json::items() const {
  static const Array kNone;
  return is_array() ? std::get<Array>(value_) : kNone;
}

const Json::Object& Json::members() const {
  static const Object kNone;
  return is_object() ? std::get<Object>(value_) : kNone;
}

const Json& Json::operator[](std::string_view name) const {
  static const Json kNone;
  const auto& all = members();
  const auto found = std::ranges::find(all, name, &Member::name);
  return found == all.end() ? kNone : found->value;
}

Json& Json::Set(std::string name, Json value) {
  if (is_null()) value_ = Object{};
  EGRESSD_ASSERT(is_object());
  auto& all = std::get<Object>(value_);
  const auto found = std::ranges::find(all, name, &Member::name);
  if (found == all.end()) {
    all.push_back({.name = std::move(name), .value = std::move(value)});
  } else {
    found->value = std::move(value);
  }
  return *this;
}

Json& Json::Append(Json value) {
  if (is_null()) value_ = Array{};
  EGRESSD_ASSERT(is_array());
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

bool Json::operator==(const Json& other) const { return value_ == other.value_; }

namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += std::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string Number(double value) {
  if (!std::isfinite(value)) return "null";
  std::array<char, 64> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end};
}

std::string Scalar(const Json& value) {
  if (value.is_boolean()) return value.boolean() ? "true" : "false";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.is_real()) return Number(value.real());
  if (value.is_text()) return Quoted(value.text());
  return "null";
}

constexpr int kOneLine = -1;

void Write(std::string& out, const Json& value, int depth) {
  const bool list = value.is_array();
  if (!list && !value.is_object()) {
    out += Scalar(value);
    return;
  }
  const int inner = depth == kOneLine ? kOneLine : depth + 1;
  const auto start_line = [&](int indent) {
    if (depth != kOneLine) out += '\n' + std::string(static_cast<std::size_t>(indent) * 2, ' ');
  };
  bool first = true;
  const auto separate = [&] {
    if (!first) out += ',';
    first = false;
    start_line(inner);
  };
  out += list ? '[' : '{';
  for (const Json& element : value.items()) {
    separate();
    Write(out, element, inner);
  }
  for (const auto& [name, member] : value.members()) {
    separate();
    out += Quoted(name) + (depth == kOneLine ? ":" : ": ");
    Write(out, member, inner);
  }
  if (!first) start_line(depth);
  out += list ? ']' : '}';
}

// A text that every YAML reader takes for a text: starts with a letter, plain characters only, none of the words of YAML 1.1.
bool IsPlain(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !letter(text.front())) return false;
  if (!std::ranges::all_of(text, [&](char c) { return letter(c) || digit(c) || c == '_' || c == '-' || c == '.' || c == '/'; }))
    return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  static constexpr std::array<std::string_view, 9> kWords{"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  return std::ranges::find(kWords, lower) == kWords.end();
}

std::string YamlScalar(const Json& value) {
  if (value.is_array()) return "[]";
  if (value.is_object()) return "{}";
  return value.is_text() && IsPlain(value.text()) ? value.text() : Scalar(value);
}

bool IsBlock(const Json& value) { return !value.items().empty() || !value.members().empty(); }

void WriteYaml(std::string& out, const Json& value, std::size_t indent) {
  const std::string margin(indent, ' ');
  bool first = true;  // the first line of an element of a list stands behind its dash
  const auto line_start = [&] {
    if (!first || indent == 0 || out.empty() || out.back() == '\n') out += margin;
    first = false;
  };
  for (const Json& element : value.items()) {
    line_start();
    out += "- ";
    if (IsBlock(element)) {
      WriteYaml(out, element, indent + 2);
    } else {
      out += YamlScalar(element) + '\n';
    }
  }
  for (const auto& [name, member] : value.members()) {
    line_start();
    out += (IsPlain(name) ? name : Quoted(name)) + ':';
    if (IsBlock(member)) {
      out += '\n';
      WriteYaml(out, member, member.is_array() ? indent : indent + 2);
    } else {
      out += ' ' + YamlScalar(member) + '\n';
    }
  }
}

}  // namespace

std::string ToText(const Json& value) {
  std::string out;
  Write(out, value, kOneLine);
  return out;
}

std::string ToIndentedText(const Json& value) {
  std::string out;
  Write(out, value, 0);
  return out + '\n';
}

std::string ToYaml(const Json& value) {
  if (!IsBlock(value)) return YamlScalar(value) + '\n';
  std::string out;
  WriteYaml(out, value, 0);
  return out;
}

}  // namespace egressd::control
