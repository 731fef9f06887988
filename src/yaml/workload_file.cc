// Workloads: in a policy file, or alone in a drop-in file.
#include <array>
#include <utility>

#include "egressd/yaml/yaml.h"
#include "yaml/codes.h"
#include "yaml/located.h"
#include "yaml/reader.h"

namespace egressd::yaml {
namespace {

constexpr auto kWorkloadKeys = std::to_array<Key>({{"addresses"}, {"labels"}, {"namespace"}, {"node"}});
constexpr auto kFileKeys = std::to_array<Key>({{"version"}, {"workloads"}});

}  // namespace

std::optional<policy::Workload> ReadWorkload(Reader& reader, const Node& name, const Node& node) {
  if (!reader.IsName(name, "the name of a workload") || !reader.Map(node, kWorkloadKeys, "a workload")) return std::nullopt;
  policy::Workload workload{.name = name.text};
  if (const Node* addresses = Find(node, "addresses")) {
    for (const Node* item : reader.Items(*addresses, "an address")) {
      if (const auto address = reader.Address(*item)) workload.addresses.push_back(*address);
    }
  }
  if (const Node* labels = Find(node, "labels")) workload.labels = reader.Labels(*labels);
  if (const Node* value = Find(node, "namespace")) {
    if (auto text = reader.Name(*value, "the name of a namespace")) workload.namespace_ = std::move(*text);
  }
  if (const Node* value = Find(node, "node")) workload.node = reader.Name(*value, "the name of a node");
  return workload;
}

Parsed<std::vector<policy::Workload>> ParseWorkloads(std::string_view text, const std::string& file) {
  text = WithoutByteOrderMark(text);
  const Lines lines(text);
  Report report(lines, file);
  std::vector<policy::Workload> workloads;
  const auto document = Document::Parse(text, lines, report);
  if (!document) return {{}, report.Take()};
  const Node& root = document->root();
  Reader reader(report);
  if (root.kind == Node::Kind::kNull) {
    report.ErrorAt({1, 0}, kEmptyFile, "", "the file is empty", "write `workloads:`, or remove the file");
  } else if (reader.Map(root, kFileKeys, "a file of workloads")) {
    reader.Version(root, Reader::VersionKey::kOptional);
    const Node* entries = Find(root, "workloads");
    if (entries == nullptr) {
      report.ErrorAt({1, 0}, kMissing, "workloads", "the key `workloads` is missing", "write `workloads: {}` for none");
    } else if (reader.NamedMap(*entries, "workloads by name")) {
      policy::PolicySet set;
      for (const Node::Entry& entry : entries->entries) {
        if (auto workload = ReadWorkload(reader, *entry.key, *entry.value)) set.workloads.emplace(entry.key->text, std::move(*workload));
      }
      AddLocated(report, policy::Validate(set), *document, lines);
      for (auto& [name, workload] : set.workloads) workloads.push_back(std::move(workload));
    }
  }
  return {std::move(workloads), report.Take()};
}

}  // namespace egressd::yaml
