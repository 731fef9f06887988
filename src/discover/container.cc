#include "discover/container.h"

#include <systemd/sd-json.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace egressd::discover {
namespace {

constexpr std::size_t kShortestId = 12, kLongestId = 64;  // characters
constexpr std::size_t kLongestName = 255;                 // bytes
constexpr std::size_t kMostLabels = 4096;
constexpr std::size_t kMostAddresses = 256;
// What makes the network of a container another's.
constexpr std::string_view kShared = "container:";
constexpr std::string_view kComposeProject = "com.docker.compose.project", kNamespace = "egressd.namespace";
// Events that happen all the time, to containers that stay as they are: health checks above all.
constexpr auto kIdleEvents = std::to_array<std::string_view>(
    {"exec_", "health_status", "top", "attach", "detach", "resize", "commit", "copy", "export", "archive-path", "extract-to-dir", "sync"});

struct VariantUnref {
  void operator()(sd_json_variant* variant) const { sd_json_variant_unref(variant); }
};

// A value that may be absent; what is asked of it then is absent too.
class Value {
 public:
  explicit Value(sd_json_variant* variant) : variant_(variant) {}
  Value operator[](const char* key) const {
    const bool is_object = variant_ != nullptr && sd_json_variant_is_object(variant_) > 0;
    return Value(is_object ? sd_json_variant_by_key(variant_, key) : nullptr);
  }
  std::string_view text() const {
    if (variant_ == nullptr || sd_json_variant_is_string(variant_) <= 0) return {};
    return sd_json_variant_string(variant_);
  }
  // Calls `each` with every member of an object.
  template <typename Each>
  void Members(Each each) const {
    if (variant_ == nullptr || sd_json_variant_is_object(variant_) <= 0) return;
    const std::size_t count = sd_json_variant_elements(variant_);
    for (std::size_t i = 0; i + 1 < count; i += 2) {
      each(Value(sd_json_variant_by_index(variant_, i)).text(), Value(sd_json_variant_by_index(variant_, i + 1)));
    }
  }
  template <typename Each>
  void Elements(Each each) const {
    if (variant_ == nullptr || sd_json_variant_is_array(variant_) <= 0) return;
    for (std::size_t i = 0; i < sd_json_variant_elements(variant_); ++i) each(Value(sd_json_variant_by_index(variant_, i)));
  }

 private:
  sd_json_variant* variant_;
};

class Document {
 public:
  static Result<Document> Parse(std::string_view json) {
    const std::string text(json);  // with a zero behind it
    if (text.contains('\0')) return Fail(ErrorKind::kInvalid, "a zero byte in JSON");
    sd_json_variant* made = nullptr;
    const int status = sd_json_parse(text.c_str(), sd_json_parse_flags_t{}, &made, nullptr, nullptr);
    if (status < 0) return std::unexpected(SystemError("not JSON", -status));
    Document document;
    document.variant_.reset(made);
    if (sd_json_variant_is_object(made) <= 0) return Fail(ErrorKind::kInvalid, "not an object");
    return document;
  }
  Value root() const { return Value(variant_.get()); }

 private:
  std::unique_ptr<sd_json_variant, VariantUnref> variant_;
};

bool IsId(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() >= kShortestId && text.size() <= kLongestId && std::ranges::all_of(text, is_digit);
}

// What people can read in a list, and write into a policy.
bool IsName(std::string_view text) {
  const auto is_plain = [](char c) { return c > ' ' && c < '\x7f'; };
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, is_plain);
}

void TakeLabels(const Value& labels, policy::Workload& workload) {
  labels.Members([&](std::string_view key, const Value& value) {
    if (!key.empty() && workload.labels.size() < kMostLabels) workload.labels.emplace(key, value.text());
  });
  for (const std::string_view key : {kComposeProject, kNamespace}) {
    const auto found = workload.labels.find(std::string(key));
    if (found == workload.labels.end() || !IsName(found->second)) continue;
    workload.namespace_ = found->second;
    return;
  }
}

void TakeAddresses(const Value& networks, policy::Workload& workload) {
  std::vector<IpAddress>& addresses = workload.addresses;
  networks.Members([&](std::string_view, const Value& network) {
    for (const char* key : {"IPAddress", "GlobalIPv6Address"}) {
      const auto address = IpAddress::Parse(network[key].text());
      if (!address || address->is_unspecified() || address->is_loopback() || address->is_multicast() || address->is_link_local()) continue;
      if (addresses.size() < kMostAddresses) addresses.push_back(*address);
    }
  });
  std::ranges::sort(addresses);
  addresses.erase(std::ranges::unique(addresses).begin(), addresses.end());
}

// Without addresses when the container is over, or its network is not its own.
Result<Container> Make(std::string_view id, std::string_view name, std::string_view state, std::string_view network_mode,
                       const Value& labels, const Value& networks) {
  if (!IsId(id)) return Fail(ErrorKind::kInvalid, "a container without an identity");
  Container container{.id = std::string(id)};
  if (name.starts_with('/')) name.remove_prefix(1);
  container.workload.name = IsName(name) ? name : id.substr(0, kShortestId);
  TakeLabels(labels, container.workload);
  const bool is_over = state == "exited" || state == "dead" || state == "removing" || state == "stopped";
  if (!is_over && network_mode != "host" && !network_mode.starts_with(kShared)) TakeAddresses(networks, container.workload);
  return container;
}

}  // namespace

Result<Container> ParseListed(std::string_view json) {
  auto document = Document::Parse(json);
  if (!document) return std::unexpected(std::move(document.error()));
  const Value root = document->root();
  // Other containers may have given it names of theirs (links): "/other/alias".
  std::string_view name;
  root["Names"].Elements([&](const Value& one) {
    const std::string_view text = one.text();
    if (name.empty() && text.rfind('/') == 0) name = text;
  });
  return Make(root["Id"].text(), name, root["State"].text(), root["HostConfig"]["NetworkMode"].text(), root["Labels"],
              root["NetworkSettings"]["Networks"]);
}

Result<Container> ParseInspected(std::string_view json) {
  auto document = Document::Parse(json);
  if (!document) return std::unexpected(std::move(document.error()));
  const Value root = document->root();
  return Make(root["Id"].text(), root["Name"].text(), root["State"]["Status"].text(), root["HostConfig"]["NetworkMode"].text(),
              root["Config"]["Labels"], root["NetworkSettings"]["Networks"]);
}

Result<std::optional<std::string>> ParseEvent(std::string_view json) {
  auto document = Document::Parse(json);
  if (!document) return std::unexpected(std::move(document.error()));
  const Value root = document->root();
  const std::string_view type = root["Type"].text(), action = root["Action"].text();
  std::string_view id;
  if (type == "container") {
    if (std::ranges::any_of(kIdleEvents, [&](std::string_view idle) { return action.starts_with(idle); })) return std::nullopt;
    id = root["Actor"]["ID"].text();
  } else if (type == "network") {
    // Docker names the container beside the network; podman names it in its place.
    id = root["Actor"]["Attributes"]["container"].text();
    if (id.empty()) id = root["Actor"]["ID"].text();
    if (action != "connect" && action != "disconnect") return std::nullopt;
  }
  if (!IsId(id)) return std::nullopt;
  return std::string(id);
}

bool IsApiVersion(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return false;
  return std::ranges::all_of(std::to_array({text.substr(0, dot), text.substr(dot + 1)}), [](std::string_view number) {
    unsigned value = 0;
    const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), value);
    return code == std::errc() && end == number.data() + number.size();
  });
}

}  // namespace egressd::discover
