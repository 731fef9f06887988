#include "control/convert.h"

#include <vector>

#include "egressd/base/error.h"

namespace egressd::control {

namespace {

// Variants that are handed over as an array of pointers, and released together.
struct Row {
  std::vector<Variant> owners;
  std::vector<sd_json_variant*> pointers;
  void Add(Variant variant) {
    pointers.push_back(variant.get());
    owners.push_back(std::move(variant));
  }
};

}  // namespace

Variant ToVariant(const Json& value) {
  sd_json_variant* made = nullptr;
  int status = 0;
  if (value.is_boolean()) {
    status = sd_json_variant_new_boolean(&made, value.boolean() ? 1 : 0);
  } else if (value.is_integer()) {
    status = sd_json_variant_new_integer(&made, value.integer());
  } else if (value.is_real()) {
    status = sd_json_variant_new_real(&made, value.real());
  } else if (value.is_text()) {
    status = sd_json_variant_new_stringn(&made, value.text().data(), value.text().size());
    if (status == -EUCLEAN || status == -EINVAL) {  // not UTF-8, or a zero byte: what is not text is not shown
      std::string ascii;
      for (const char c : value.text()) ascii += c > 0 ? c : '?';
      status = sd_json_variant_new_stringn(&made, ascii.data(), ascii.size());
    }
  } else if (value.is_array()) {
    Row row;
    for (const Json& element : value.items()) row.Add(ToVariant(element));
    status = sd_json_variant_new_array(&made, row.pointers.data(), row.pointers.size());
  } else if (value.is_object()) {
    Row row;
    for (const auto& [name, member] : value.members()) {
      row.Add(ToVariant(Json(name)));
      row.Add(ToVariant(member));
    }
    status = sd_json_variant_new_object(&made, row.pointers.data(), row.pointers.size());
  } else {
    status = sd_json_variant_new_null(&made);
  }
  EGRESSD_ASSERT(status >= 0);
  return Variant(made);
}

Json FromVariant(sd_json_variant* variant) {
  if (variant == nullptr || sd_json_variant_is_null(variant) > 0) return {};
  if (sd_json_variant_is_boolean(variant) > 0) return {sd_json_variant_boolean(variant) > 0};
  if (sd_json_variant_is_integer(variant) > 0) return {sd_json_variant_integer(variant)};
  if (sd_json_variant_is_number(variant) > 0) return {sd_json_variant_real(variant)};
  if (sd_json_variant_is_string(variant) > 0) return {sd_json_variant_string(variant)};
  const std::size_t count = sd_json_variant_elements(variant);
  if (sd_json_variant_is_array(variant) > 0) {
    Json::Array array;
    for (std::size_t i = 0; i < count; ++i) array.push_back(FromVariant(sd_json_variant_by_index(variant, i)));
    return {std::move(array)};
  }
  Json::Object object;  // keys and values alternate
  for (std::size_t i = 0; i + 1 < count; i += 2) {
    object.push_back({.name = sd_json_variant_string(sd_json_variant_by_index(variant, i)),
                      .value = FromVariant(sd_json_variant_by_index(variant, i + 1))});
  }
  return {std::move(object)};
}

}  // namespace egressd::control
