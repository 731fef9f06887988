// The command line, read: which verb, and what was said with it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace egressd::ctl {

enum class Format : std::uint8_t { kTable, kWide, kJson, kYaml, kName };

struct Arguments {
  std::string verb;
  std::map<std::string, std::vector<std::string>> values;  // by the long name of the option or the name of the argument
  Format format = Format::kTable;
  bool color = false;
  bool quiet = false;
  std::string socket;
  std::string config;

  bool Has(const std::string& name) const { return values.contains(name); }
  // The last one given, "" when there is none.
  std::string Text(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() || found->second.empty() ? "" : found->second.back();
  }
  std::vector<std::string> All(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::vector<std::string>{} : found->second;
  }
};

}  // namespace egressd::ctl
