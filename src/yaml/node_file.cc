// The node file.
#include <array>
#include <charconv>
#include <format>
#include <limits>
#include <utility>

#include "egressd/yaml/yaml.h"
#include "yaml/codes.h"
#include "yaml/located.h"
#include "yaml/reader.h"

namespace egressd::yaml {
namespace {

constexpr auto kFileKeys = std::to_array<Key>({{"version"},
                                               {"node"},
                                               {"cluster"},
                                               {"tunnel"},
                                               {"datapath"},
                                               {"workloads"},
                                               {"policy_file"},
                                               {"policy"},
                                               {"control"},
                                               {"metrics"}});
constexpr auto kNodeKeys = std::to_array<Key>({{"name"}, {"labels"}, {"address"}, {"interface"}, {"on_stop"}});
constexpr auto kClusterKeys = std::to_array<Key>({{"name"}, {"join"}, {"listen"}, {"key_file"}, {"profile"}, {"quorum"}});
constexpr auto kTunnelKeys = std::to_array<Key>({{"device"}, {"vni"}, {"port"}, {"mtu"}, {"ipv4"}, {"ipv6"}});
constexpr auto kDatapathKeys = std::to_array<Key>({{"rule_priority"}, {"tables"}, {"next_hop_mark"}});
constexpr auto kWorkloadsKeys = std::to_array<Key>({{"directory"}, {"docker"}, {"podman"}});
constexpr auto kControlKeys = std::to_array<Key>({{"group"}});
constexpr auto kMetricsKeys = std::to_array<Key>({{"listen"}});

constexpr std::uint16_t kGossipPort = 7947;
constexpr std::uint16_t kMetricsPort = 9799;
constexpr std::size_t kLongestSocketPath = 107;  // sun_path of unix(7), with a zero behind it

// The value of a section when it is a map of known keys, else nullptr.
const Node* Section(Reader& reader, const Node& root, std::string_view key, std::span<const Key> keys) {
  const Node* node = Find(root, key);
  if (node == nullptr || !reader.Map(*node, keys, std::format("`{}`", key))) return nullptr;
  return node;
}

void Name(Reader& reader, const Node& map, std::string_view key, std::string_view what, std::string& value) {
  const Node* node = Find(map, key);
  if (node == nullptr) return;
  if (auto name = reader.Name(*node, what)) value = std::move(*name);
}

bool IsAuto(const Node& node) { return node.is_scalar() && node.text == "auto"; }

void ReadNode(Reader& reader, const Node& root, policy::NodeConfig::Node& value) {
  const Node* node = Section(reader, root, "node", kNodeKeys);
  if (node == nullptr) return;
  Name(reader, *node, "name", "the name of this node", value.name);
  if (const Node* labels = Find(*node, "labels")) value.labels = reader.Labels(*labels);
  if (const Node* address = Find(*node, "address"); address != nullptr && !IsAuto(*address)) {
    if (address->is_list() && address->entries.size() != 1) {
      reader.report().Error(*address, kNotSupported, "several underlay addresses are not supported by this build", "write one, or `auto`");
    } else {
      value.address = reader.Address(address->is_list() ? *address->entries[0].value : *address);
    }
  }
  if (const Node* interface = Find(*node, "interface"); interface != nullptr && !IsAuto(*interface)) {
    value.interface = reader.Name(*interface, "`auto` or the name of a device");
  }
  constexpr auto kStops =
      std::to_array<std::pair<std::string_view, policy::OnStop>>({{"release", policy::OnStop::kRelease}, {"keep", policy::OnStop::kKeep}});
  reader.Choice(*node, "on_stop", value.on_stop, kStops);
}

std::optional<Endpoint> ReadEndpoint(Reader& reader, const Node& node, std::uint16_t default_port) {
  if (!node.is_scalar()) {
    reader.report().Error(node, kWrongKind, std::format("expected an address, found {}", Describe(node)),
                          std::format("quote IPv6 addresses: \"[2001:db8::3]:{}\"", default_port));
    return std::nullopt;
  }
  auto endpoint = Endpoint::Parse(node.text, default_port);
  if (endpoint) return *endpoint;
  const bool is_name = node.text.find_first_of("ghijklmnopqrstuvwxyz") != std::string::npos;
  reader.report().Error(node, kBadAddress, std::format("expected an address with or without a port, found {}", Quote(node.text)),
                        is_name ? "host names are not supported by this build: write the address"
                                : std::format("write 192.0.2.11, \"192.0.2.11:{0}\" or \"[2001:db8::3]:{0}\"", default_port));
  return std::nullopt;
}

// Where to listen. ":7947", "192.0.2.1:7947", "192.0.2.1"; without an address `address` becomes unset.
void ReadListen(Reader& reader, const Node& node, std::uint16_t default_port, std::optional<IpAddress>& address, std::uint16_t& port) {
  if (node.is_scalar() && node.text.starts_with(':')) {
    const std::string_view digits = std::string_view(node.text).substr(1);
    std::uint16_t number = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (code == std::errc() && end == digits.data() + digits.size() && number != 0 && digits[0] != '0') {
      address.reset();
      port = number;
      return;
    }
    reader.report().Error(node, kBadPort, std::format("{}: a port is 1-65535, without leading zeros", Quote(node.text)),
                          std::format("write \":{}\"", default_port));
    return;
  }
  if (const auto endpoint = ReadEndpoint(reader, node, default_port)) {
    address = endpoint->address;
    port = endpoint->port;
  }
}

void ReadCluster(Reader& reader, const Node& root, policy::NodeConfig::Cluster& value) {
  const Node* cluster = Section(reader, root, "cluster", kClusterKeys);
  if (cluster == nullptr) return;
  Name(reader, *cluster, "name", "the name of a cluster", value.name);
  if (const Node* join = Find(*cluster, "join")) {
    for (const Node* item : reader.Items(*join, "an address")) {
      if (const auto endpoint = ReadEndpoint(reader, *item, kGossipPort)) value.join.push_back(*endpoint);
    }
  }
  if (const Node* listen = Find(*cluster, "listen")) ReadListen(reader, *listen, kGossipPort, value.listen_address, value.listen_port);
  Name(reader, *cluster, "key_file", "a path", value.key_file);
  constexpr auto kProfiles = std::to_array<std::pair<std::string_view, policy::Profile>>(
      {{"lan", policy::Profile::kLan}, {"fast", policy::Profile::kFast}, {"wan", policy::Profile::kWan}});
  reader.Choice(*cluster, "profile", value.profile, kProfiles);
  constexpr auto kQuorums = std::to_array<std::pair<std::string_view, policy::Quorum>>(
      {{"none", policy::Quorum::kNone}, {"majority", policy::Quorum::kMajority}});
  reader.Choice(*cluster, "quorum", value.quorum, kQuorums);
}

void ReadNetwork(Reader& reader, const Node& tunnel, std::string_view key, Family family, Prefix& value) {
  const Node* node = Find(tunnel, key);
  if (node == nullptr) return;
  const auto network = reader.Network(*node);
  if (!network) return;
  if (network->family() != family) {
    reader.report().Error(*node, kBadAddress, std::format("{} stands under `{}`", Quote(node->text), key),
                          std::format("write it under `{}`", ToString(network->family())));
    return;
  }
  value = *network;
}

void ReadTunnel(Reader& reader, const Node& root, policy::NodeConfig::Tunnel& value) {
  const Node* tunnel = Section(reader, root, "tunnel", kTunnelKeys);
  if (tunnel == nullptr) return;
  Name(reader, *tunnel, "device", "the name of a device", value.device);
  reader.Number(*tunnel, "vni", value.vni, 1, 16777215);
  reader.Number(*tunnel, "port", value.port, 1);
  if (const Node* mtu = Find(*tunnel, "mtu"); mtu != nullptr && !IsAuto(*mtu)) {
    if (const auto number = reader.Number(*mtu, 576, 65535)) value.mtu_bytes = static_cast<std::uint16_t>(*number);
  }
  ReadNetwork(reader, *tunnel, "ipv4", Family::kIpv4, value.ipv4);
  ReadNetwork(reader, *tunnel, "ipv6", Family::kIpv6, value.ipv6);
}

std::optional<std::uint32_t> ParseNumber(std::string_view text, int base) {
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (base == 10 && text.size() > 1 && text[0] == '0') return std::nullopt;
  return value;
}

void ReadDatapath(Reader& reader, const Node& root, policy::NodeConfig::Datapath& value) {
  const Node* datapath = Section(reader, root, "datapath", kDatapathKeys);
  if (datapath == nullptr) return;
  reader.Number(*datapath, "rule_priority", value.rule_priority, 2, 32765);
  if (const Node* tables = Find(*datapath, "tables")) {
    const std::string_view text = tables->is_scalar() ? std::string_view(tables->text) : std::string_view();
    const std::size_t dash = text.find('-');
    const auto first = ParseNumber(text.substr(0, dash), 10);
    const auto last = dash == std::string_view::npos ? std::nullopt : ParseNumber(text.substr(dash + 1), 10);
    if (first && last) {
      value.first_table = *first;
      value.last_table = *last;
    } else {
      reader.report().Error(*tables, kBadNumber, std::format("expected a range of route tables, found {}", Describe(*tables)),
                            "write 26000-26255");
    }
  }
  if (const Node* mark = Find(*datapath, "next_hop_mark")) {
    const std::string_view text = mark->is_scalar() && !mark->is_quoted ? std::string_view(mark->text) : std::string_view();
    const auto mask = text.starts_with("0x") ? ParseNumber(text.substr(2), 16) : std::nullopt;
    if (mask) {
      value.next_hop_mark = *mask;
    } else {
      reader.report().Error(*mark, kBadNumber, std::format("expected a hexadecimal mask, found {}", Describe(*mark)),
                            "write 0xff000000, without quotes");
    }
  }
}

// `auto`, `off`, or the path of a socket.
void ReadEngine(Reader& reader, const Node& map, std::string_view key, policy::EngineSocket& value) {
  using Use = policy::EngineSocket::Use;
  const Node* node = Find(map, key);
  if (node == nullptr) return;
  const std::string_view text = node->is_scalar() ? std::string_view(node->text) : std::string_view();
  if (text == "auto" || text == "off") {
    value.use = text == "auto" ? Use::kAuto : Use::kOff;
  } else if (text.starts_with('/') && text.size() <= kLongestSocketPath) {
    value = {.use = Use::kPath, .path = std::string(text)};
  } else if (text.starts_with('/')) {
    reader.report().Error(*node, kBadWord, std::format("the path of a socket has at most {} characters", kLongestSocketPath),
                          "give it a shorter one by a symbolic link");
  } else {
    reader.report().Error(*node, kBadWord, std::format("expected `auto`, `off` or the path of a socket, found {}", Describe(*node)),
                          std::format("{}: auto", key));
  }
}

// `off`, or a map with `listen`, which may be `off`, too.
void ReadMetrics(Reader& reader, const Node& root, policy::NodeConfig::Metrics& value) {
  const auto is_off = [](const Node& node) { return node.is_scalar() && node.text == "off"; };
  const Node* metrics = Find(root, "metrics");
  if (metrics == nullptr) return;
  if (is_off(*metrics)) {
    value.serve = false;
    return;
  }
  if (Section(reader, root, "metrics", kMetricsKeys) == nullptr) return;
  const Node* listen = Find(*metrics, "listen");
  if (listen == nullptr) return;
  value.serve = !is_off(*listen);
  if (value.serve) ReadListen(reader, *listen, kMetricsPort, value.address, value.port);
}

void ReadOthers(Reader& reader, const Node& root, policy::NodeConfig& config) {
  if (const Node* workloads = Section(reader, root, "workloads", kWorkloadsKeys)) {
    Name(reader, *workloads, "directory", "a path", config.workloads_directory);
    ReadEngine(reader, *workloads, "docker", config.docker);
    ReadEngine(reader, *workloads, "podman", config.podman);
  }
  Name(reader, root, "policy_file", "a path", config.policy_file);
  constexpr auto kSources = std::to_array<std::pair<std::string_view, bool>>({{"cluster", true}, {"file", false}});
  reader.Choice(root, "policy", config.replicate_policy, kSources);
  if (const Node* control = Section(reader, root, "control", kControlKeys)) {
    Name(reader, *control, "group", "the name of a group", config.control_group);
  }
  ReadMetrics(reader, root, config.metrics);
}

}  // namespace

Parsed<policy::NodeConfig> ParseNodeConfig(std::string_view text, const std::string& file) {
  text = WithoutByteOrderMark(text);
  const Lines lines(text);
  Report report(lines, file);
  const auto document = Document::Parse(text, lines, report);
  if (!document) return {{}, report.Take()};
  policy::NodeConfig config;
  const Node& root = document->root();
  Reader reader(report);
  // Every key is optional, so a file of comments is a node file.
  if (root.kind != Node::Kind::kNull) {
    if (!reader.Map(root, kFileKeys, "a node file")) return {{}, report.Take()};
    reader.Version(root, Reader::VersionKey::kOptional);
    ReadNode(reader, root, config.node);
    ReadCluster(reader, root, config.cluster);
    ReadTunnel(reader, root, config.tunnel);
    ReadDatapath(reader, root, config.datapath);
    ReadOthers(reader, root, config);
  }
  AddLocated(report, policy::Validate(config), *document, lines);
  return {std::move(config), report.Take()};
}

}  // namespace egressd::yaml
