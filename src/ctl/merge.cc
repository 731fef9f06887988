#include "ctl/merge.h"

#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <string_view>

namespace egressd::ctl {

namespace {

constexpr std::array<std::string_view, 6> kMaps{"namespaces", "workloads", "destinations", "pools", "gateways", "policies"};

struct Line {
  std::string text;
  Merged::Origin origin;
};

// A key at the left margin with everything up to the next one.
struct Section {
  std::string key;
  Line head;                 // "policies:", or "internal: [10.0.0.0/8]"
  std::vector<Line> body;
};

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    out.push_back(std::move(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool IsBlank(const std::string& line) {
  const std::size_t first = line.find_first_not_of(' ');
  return first == std::string::npos || line[first] == '#';
}

// Whether anything but a comment follows the key on its line.
bool HasValue(const Section& section) {
  const std::string& text = section.head.text;
  const std::size_t colon = text.find(':');
  const std::size_t first = text.find_first_not_of(" \t", colon + 1);
  return first != std::string::npos && text[first] != '#';
}

std::vector<Section> Sections(const SourceFile& file, std::size_t index, std::vector<policy::Finding>& findings) {
  std::vector<Section> out;
  int number = 0;
  for (std::string& text : Lines(file.text)) {
    ++number;
    Line line{.text = std::move(text), .origin = {.file = index, .line = number}};
    const bool margin = !IsBlank(line.text) && line.text.front() != ' ';
    if (!margin || line.text.starts_with("- ") || line.text.front() == '}' || line.text.front() == ']') {
      if (!out.empty()) out.back().body.push_back(std::move(line));
      continue;
    }
    if (line.text == "---" || line.text.starts_with("%")) continue;
    const std::size_t colon = line.text.find(':');
    if (colon == std::string::npos || line.text.front() == '{') {
      findings.push_back({.code = "E090",
                          .message = "cannot be merged: a key at the start of the line was expected",
                          .hint = "files of a directory are merged key by key and must be in block style",
                          .file = file.name,
                          .line = number,
                          .column = 1});
      return out;
    }
    std::string key = line.text.substr(0, colon);
    if (key.size() > 1 && (key.front() == '"' || key.front() == '\'')) key = key.substr(1, key.size() - 2);
    out.push_back({.key = std::move(key), .head = std::move(line)});
  }
  return out;
}

std::optional<std::size_t> Indent(const std::vector<Line>& body) {
  for (const Line& line : body) {
    if (!IsBlank(line.text)) return line.text.find_first_not_of(' ');
  }
  return std::nullopt;
}

// Moves the lines so that their map continues that of `first`.
void Align(std::vector<Line>& body, std::size_t indent) {
  const auto own = Indent(body);
  if (!own || *own == indent) return;
  for (Line& line : body) {
    if (line.text.empty()) continue;
    if (*own < indent) {
      line.text.insert(0, indent - *own, ' ');
    } else {
      line.text.erase(0, std::min(*own - indent, std::min(line.text.find_first_not_of(' '), line.text.size())));
    }
    line.origin.shift = static_cast<int>(indent) - static_cast<int>(*own);
  }
}

void Add(std::vector<Section>& all, Section section, const std::vector<SourceFile>& files, std::vector<policy::Finding>& findings) {
  const auto found = std::ranges::find(all, section.key, &Section::key);
  if (found == all.end()) {
    all.push_back(std::move(section));
    return;
  }
  if (section.key == "version" && section.head.text == found->head.text) return;
  const bool same_file = found->head.origin.file == section.head.origin.file;
  const bool map = std::ranges::find(kMaps, section.key) != kMaps.end();
  if (same_file || !map || HasValue(section) || HasValue(*found)) {
    findings.push_back(
        {.code = "E091",
         .path = section.key,
         .message = std::format("`{}` stands in {}:{} already", section.key, files[found->head.origin.file].name, found->head.origin.line),
         .hint = map ? "maps of several files can be merged in block style: the key alone on its line, its entries indented below"
                     : "keep it in one file",
         .file = files[section.head.origin.file].name,
         .line = section.head.origin.line,
         .column = 1});
    return;
  }
  if (const auto indent = Indent(found->body)) Align(section.body, *indent);
  std::ranges::move(section.body, std::back_inserter(found->body));
}

}  // namespace

Merged Merge(const std::vector<SourceFile>& files) {
  Merged out;
  if (files.size() == 1) {
    out.text = files.front().text;
    return out;
  }
  std::vector<Section> all;
  for (std::size_t index = 0; index < files.size(); ++index) {
    for (Section& section : Sections(files[index], index, out.findings)) Add(all, std::move(section), files, out.findings);
  }
  const auto append = [&](const Line& line) {
    out.text += line.text + '\n';
    out.origins.push_back(line.origin);
  };
  for (const Section& section : all) {
    append(section.head);
    std::ranges::for_each(section.body, append);
  }
  return out;
}

void TraceBack(policy::Finding& finding, const Merged& merged, const std::vector<SourceFile>& files) {
  if (merged.origins.empty() || finding.line <= 0) return;
  const auto index = std::min(static_cast<std::size_t>(finding.line) - 1, merged.origins.size() - 1);
  const Merged::Origin& origin = merged.origins[index];
  finding.file = files[origin.file].name;
  finding.line = origin.line;
  finding.column = std::max(1, finding.column - origin.shift);
}

}  // namespace egressd::ctl
