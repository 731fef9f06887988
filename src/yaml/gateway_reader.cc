// One gateway: its nodes, pools, and how its egress IPs change their holder.
#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "egressd/policy/limits.h"
#include "yaml/codes.h"
#include "yaml/policy_reader.h"

namespace egressd::yaml {
namespace {

constexpr auto kGatewayKeys = std::to_array<Key>({{"default"},
                                                  {"nodes"},
                                                  {"pool"},
                                                  {"default_ip"},
                                                  {"interface"},
                                                  {"announce"},
                                                  {"max_ips_per_node"},
                                                  {"failback"},
                                                  {"takeover"},
                                                  {"restart_grace"},
                                                  {"bfd"},
                                                  {"health"}});
constexpr auto kNodeSelectorKeys = std::to_array<Key>({{"labels"}, {"select"}});
constexpr auto kBfdKeys = std::to_array<Key>({{"min_rx"}, {"min_tx"}, {"multiplier"}});
constexpr auto kHealthKeys = std::to_array<Key>({{"tcp"}, {"icmp"}, {"http"}, {"every"}, {"fail"}});

constexpr std::uint16_t kHttpPort = 80;
constexpr std::string_view kScheme = "http://";

policy::NodeSelector ReadNodes(Reader& reader, const Node& node) {
  policy::NodeSelector selector;
  if (node.is_map()) {
    CheckKeys(reader.report(), node, kNodeSelectorKeys, "`nodes`");
    if (const Node* labels = Find(node, "labels")) selector.labels = reader.LabelRequirements(*labels);
    if (const Node* select = Find(node, "select")) {
      for (policy::Requirement& requirement : reader.Select(*select)) selector.labels.push_back(std::move(requirement));
    }
    return selector;
  }
  for (const Node* item : reader.Items(node, "the name of a node")) {
    if (auto name = reader.Name(*item, "the name of a node")) selector.names.push_back(std::move(*name));
  }
  return selector;
}

std::optional<policy::BfdTimers> ReadBfd(Reader& reader, const Node& node) {
  if (!reader.Map(node, kBfdKeys, "`bfd`")) return std::nullopt;
  if (node.entries.empty()) {
    reader.report().Error(node, kEmpty, "`bfd` without any timer", "leave the key out: the timers are those of `cluster.profile`");
    return std::nullopt;
  }
  policy::BfdTimers timers;
  reader.Time(node, "min_rx", timers.min_rx, policy::kBfdLimits, Reader::BareNumber::kRefused);
  reader.Time(node, "min_tx", timers.min_tx, policy::kBfdLimits, Reader::BareNumber::kRefused);
  reader.Number(node, "multiplier", timers.multiplier, 1);
  return timers;
}

bool HasHostName(std::string_view text) { return text.find_first_of("ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ") != std::string_view::npos; }

constexpr std::string_view kNoHostName =
    "host names are not supported, because the check would ask the name server, not the uplink: write the address";

// The scalar, or nullptr (reported).
const Node* Scalar(Reader& reader, const Node& node, std::string_view what) {
  if (node.is_scalar()) return &node;
  reader.report().Error(node, kWrongKind, std::format("expected {}, found {}", what, Describe(node)),
                        node.is_map() ? "quote what has colons" : "");
  return nullptr;
}

bool ReadTcp(Reader& reader, const Node& node, policy::HealthCheck& check) {
  if (Scalar(reader, node, "an address and a port") == nullptr) return false;
  const auto endpoint = Endpoint::Parse(node.text, 0);
  if (endpoint) {
    check.target = *endpoint;
    return true;
  }
  reader.report().Error(node, kBadAddress, std::format("expected an address and a port, found {}", Quote(node.text)),
                        HasHostName(node.text) ? std::string(kNoHostName) : "write \"192.0.2.1:443\" or \"[2001:db8::1]:443\"");
  return false;
}

bool ReadIcmp(Reader& reader, const Node& node, policy::HealthCheck& check) {
  const auto address = reader.Address(node);
  if (!address) return false;
  check.kind = policy::HealthCheck::Kind::kIcmp;
  check.target = {.address = *address, .port = 0};
  return true;
}

std::string UrlHint(std::string_view url) {
  if (url.starts_with("https://")) return "TLS is not spoken here: write `http://`, or check the port alone with `tcp`";
  if (!url.starts_with(kScheme)) return "write http://192.0.2.1/healthz";
  const std::string_view authority = url.substr(kScheme.size(), url.find_first_of("/?#", kScheme.size()) - kScheme.size());
  if (HasHostName(authority)) return std::string(kNoHostName);
  if (std::ranges::count(authority, ':') > 1 && !authority.starts_with('['))
    return "IPv6 addresses stand in brackets: http://[2001:db8::1]/";
  return "write http://192.0.2.1/healthz, http://192.0.2.1:8080/ or \"http://[2001:db8::1]/\"";
}

bool ReadHttp(Reader& reader, const Node& node, policy::HealthCheck& check) {
  if (Scalar(reader, node, "a URL") == nullptr) return false;
  const std::string_view url = node.text;
  const auto refuse = [&](std::string hint) {
    reader.report().Error(node, kBadUrl, std::format("expected http://ADDRESS[:PORT]/PATH, found {}", Quote(url)), std::move(hint));
    return false;
  };
  if (!url.starts_with(kScheme)) return refuse(UrlHint(url));
  const std::size_t end = std::min(url.find_first_of("/?#", kScheme.size()), url.size());
  const std::string_view authority = url.substr(kScheme.size(), end - kScheme.size());
  const bool bare_ipv6 = !authority.starts_with('[') && std::ranges::count(authority, ':') > 1;
  const auto endpoint = Endpoint::Parse(authority, kHttpPort);
  if (!endpoint || bare_ipv6) return refuse(UrlHint(url));
  const std::string path = (end < url.size() && url[end] == '/' ? "" : "/") + std::string(url.substr(end));
  // What a request line cannot carry as it is; a fragment is never sent.
  if (std::ranges::any_of(path, [](char c) { return c <= ' ' || c > '~' || c == '#'; })) {
    return refuse("spaces, `#` and characters beyond ASCII are written as %20, %23, ...");
  }
  if (path.size() > policy::kLongestHealthPath)
    return refuse(std::format("the path has at most {} characters", policy::kLongestHealthPath));
  check.kind = policy::HealthCheck::Kind::kHttp;
  check.target = *endpoint;
  check.path = path;
  const std::string address = endpoint->ToString();
  check.host = endpoint->port == kHttpPort ? address.substr(0, address.rfind(':')) : address;
  return true;
}

std::optional<policy::HealthCheck> ReadHealthCheck(Reader& reader, const Node& node) {
  if (!reader.Map(node, kHealthKeys, "a health check")) return std::nullopt;
  using Read = bool (*)(Reader&, const Node&, policy::HealthCheck&);
  constexpr auto kKinds = std::to_array<std::pair<std::string_view, Read>>({{"tcp", ReadTcp}, {"icmp", ReadIcmp}, {"http", ReadHttp}});
  policy::HealthCheck check;
  const Node::Entry* first = nullptr;
  bool is_read = true;
  for (const Node::Entry& entry : node.entries) {
    const auto kind = std::ranges::find(kKinds, std::string_view(entry.key->text), &std::pair<std::string_view, Read>::first);
    if (kind == kKinds.end()) continue;
    if (first != nullptr) {
      reader.report().Error(*entry.key, kExclusive, std::format("`{}` beside `{}` in one health check", entry.key->text, first->key->text),
                            "make a check of its own: [{tcp: \"192.0.2.1:443\"}, {icmp: 192.0.2.1}]");
      return std::nullopt;
    }
    first = &entry;
    is_read = kind->second(reader, *entry.value, check);
  }
  // An unknown key may be the missing one, misspelled.
  const bool all_known = std::ranges::all_of(
      node.entries, [](const Node::Entry& entry) { return std::ranges::contains(kHealthKeys, entry.key->text, &Key::name); });
  if (first == nullptr && all_known) {
    reader.report().Error(node, kMissing, "a health check needs one of `tcp`, `icmp` and `http`", "write {tcp: \"192.0.2.1:443\"}");
  }
  reader.Time(node, "every", check.every, policy::kHealthEveryLimits, Reader::BareNumber::kSeconds);
  reader.Number(node, "fail", check.fail, 1, policy::kMostHealthFailures);
  if (first == nullptr || !is_read) return std::nullopt;
  return check;
}

std::vector<policy::HealthCheck> ReadHealth(Reader& reader, const Node& node) {
  std::vector<policy::HealthCheck> checks;
  const auto read = [&](const Node& item) {
    if (auto check = ReadHealthCheck(reader, item)) checks.push_back(std::move(*check));
  };
  if (node.is_list()) {
    for (const Node::Entry& entry : node.entries) read(*entry.value);
  } else if (node.is_map()) {
    read(node);
  } else {
    reader.report().Error(node, kWrongKind, std::format("expected a health check or a list of them, found {}", Describe(node)),
                          "write [{tcp: \"192.0.2.1:443\"}]");
  }
  return checks;
}

void ReadTakeover(Reader& reader, const Node& node, policy::Gateway& gateway) {
  reader.Number(node, "max_ips_per_node", gateway.max_ips_per_node, 0);
  if (const Node* value = Find(node, "failback")) gateway.failback = reader.Boolean(*value).value_or(false);
  constexpr auto kWords = std::to_array<std::pair<std::string_view, policy::Takeover>>(
      {{"immediate", policy::Takeover::kImmediate}, {"strict", policy::Takeover::kStrict}});
  reader.Choice(node, "takeover", gateway.takeover, kWords);
  reader.Time(node, "restart_grace", gateway.restart_grace, policy::kRestartGraceLimits, Reader::BareNumber::kSeconds);
  if (const Node* bfd = Find(node, "bfd")) gateway.bfd = ReadBfd(reader, *bfd);
  if (const Node* health = Find(node, "health")) gateway.health = ReadHealth(reader, *health);
}

}  // namespace

policy::Gateway ReadGateway(Reader& reader, const Node& name, const Node& node) {
  policy::Gateway gateway{.name = name.text};
  if (name.text == policy::kSelf) {
    reader.report().Error(name, kBadName, "`self` is reserved: `gateway: self` means the workload's own node", "choose another name");
  }
  if (!reader.Map(node, kGatewayKeys, "a gateway")) return gateway;
  if (const Node* value = Find(node, "default")) gateway.is_default = reader.Boolean(*value).value_or(false);
  if (const Node* nodes = Find(node, "nodes")) gateway.nodes = ReadNodes(reader, *nodes);
  if (const Node* pools = Find(node, "pool")) {
    for (const Node* item : reader.Items(*pools, "the name of a pool")) {
      if (auto pool = reader.Name(*item, "the name of a pool")) gateway.pools.push_back(std::move(*pool));
    }
  }
  if (const Node* address = Find(node, "default_ip")) ReadAddressPair(reader, *address, gateway.default_ipv4, gateway.default_ipv6);
  if (const Node* interface = Find(node, "interface")) {
    if (auto device = reader.Name(*interface, "`auto` or the name of a device"); device && *device != "auto") gateway.interface = *device;
  }
  constexpr auto kWords = std::to_array<std::pair<std::string_view, policy::Announce>>(
      {{"l2", policy::Announce::kLayer2}, {"bgp", policy::Announce::kBgp}, {"none", policy::Announce::kNone}});
  reader.Choice(node, "announce", gateway.announce, kWords);
  ReadTakeover(reader, node, gateway);
  return gateway;
}

}  // namespace egressd::yaml
