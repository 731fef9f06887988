// Manifests in, one line for each finding or field out, so that a test reads like a table.
#pragma once

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <vector>

#include "egressd/convert/convert.h"
#include "egressd/yaml/yaml.h"

namespace egressd::convert {

inline Conversion Read(const std::string& text) { return Convert({{.name = "k.yaml", .text = text}}); }

// "3:5 E406", one for each finding.
inline std::string Findings(const Conversion& conversion) {
  std::string out;
  for (const policy::Finding& finding : conversion.findings) {
    out += std::format("{}{}:{} {}", out.empty() ? "" : ", ", finding.line, finding.column, finding.code);
  }
  return out;
}

// A conversion without errors, whose text reads as the set that it came from, without errors.
inline Conversion Good(const std::string& text) {
  Conversion conversion = Read(text);
  for (const policy::Finding& finding : conversion.findings) FAIL_CHECK(yaml::Render(finding, text, false));
  const std::string written = Write(conversion);
  const auto read = yaml::ParsePolicy(written, "policy.yaml");
  for (const policy::Finding& finding : read.findings) {
    if (finding.severity == policy::Severity::kError) FAIL_CHECK(yaml::Render(finding, written, false));
  }
  CHECK(read.value == conversion.set);
  return conversion;
}

// "approximated -> policies.web.priority", of the first object with such a field; "" = nobody speaks of it.
inline std::string Told(const Conversion& conversion, const std::string& path) {
  for (const Object& object : conversion.objects) {
    for (const Field& field : object.fields) {
      if (field.path == path) return std::string(ToString(field.outcome)) + (field.becomes.empty() ? "" : " -> " + field.becomes);
    }
  }
  return "";
}

// "select=\"a in (b,c)\"" and so on: what stands behind a key in what is written; "" = it is not there.
inline std::string Written(const Conversion& conversion, const std::string& object, const std::string& key) {
  const std::string text = Write(conversion);
  std::size_t at = text.find("\n  " + object + ":\n");
  if (at == std::string::npos) return "no " + object;
  at += object.size() + 5;
  while (text.substr(at, 4) == "    ") {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at + 4, end - at - 4);
    if (line.starts_with(key + ": ")) return line.substr(key.size() + 2);
    at = end + 1;
  }
  return "";
}

}  // namespace egressd::convert
