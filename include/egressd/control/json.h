// A JSON value: what travels over the control socket and what `egressctl -o json` prints.
//
// 1. Objects keep the order in which members were set, so that output reads as its author wrote it.
// 2. Reading never fails: a member that is absent or has another type reads as null, "", 0, false or an empty list.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace egressd::control {

class Json {
 public:
  struct Member;
  using Array = std::vector<Json>;
  using Object = std::vector<Member>;

  Json();
  template <std::same_as<bool> Boolean>  // not from pointers
  Json(Boolean value) : value_(value) {}
  template <typename Integer>
    requires(std::integral<Integer> && !std::same_as<Integer, bool>)
  Json(Integer value) : value_(Clamp(value)) {}
  Json(double value);
  Json(std::string value);
  Json(std::string_view value);
  Json(const char* value);
  Json(Array value);
  Json(Object value);
  // null when there is no value.
  template <typename T>
  Json(const std::optional<T>& value);
  // An array of whatever converts to Json.
  template <typename Range>
  static Json List(const Range& range);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_boolean() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_real() const { return std::holds_alternative<double>(value_); }
  bool is_text() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  bool boolean() const { return is_boolean() && std::get<bool>(value_); }
  std::int64_t integer() const;
  double real() const;
  const std::string& text() const;
  const Array& items() const;
  const Object& members() const;
  // The member of that name; null when there is none.
  const Json& operator[](std::string_view name) const;
  // Adds or replaces a member; a null value becomes an object, anything else asserts.
  Json& Set(std::string name, Json value);
  // Adds an element; a null value becomes an array.
  Json& Append(Json value);

  bool operator==(const Json& other) const;

 private:
  template <typename Integer>
  static std::int64_t Clamp(Integer value) {
    return std::in_range<std::int64_t>(value) ? static_cast<std::int64_t>(value) : INT64_MAX;
  }
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

struct Json::Member {
  std::string name;
  Json value;
  bool operator==(const Member& other) const = default;
};

template <typename T>
Json::Json(const std::optional<T>& value) {
  if (value) *this = Json(*value);
}

template <typename Range>
Json Json::List(const Range& range) {
  Array array;
  for (const auto& element : range) array.emplace_back(element);
  return array;
}

// RFC 8259 text: on one line, or indented by two spaces and a line end behind it.
std::string ToText(const Json& value);
std::string ToIndentedText(const Json& value);
// The same as a YAML document (block style; scalars are quoted whenever YAML could read them as something else).
std::string ToYaml(const Json& value);

}  // namespace egressd::control
