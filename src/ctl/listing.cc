#include "ctl/listing.h"

#include <algorithm>
#include <cmath>
#include <format>

#include "egressd/base/bit_rate.h"
#include "ctl/table.h"

namespace egressd::ctl {

using control::Json;

namespace {

std::string Dash(const std::string& text) { return text.empty() ? "-" : text; }

template <const char* const& kMember>
std::string TextOf(const Session& /*session*/, const Json& item) {
  return Dash(item[kMember].text());
}
template <const char* const& kMember>
std::string NumberOf(const Session& /*session*/, const Json& item) {
  return item[kMember].is_null() ? "-" : std::to_string(item[kMember].integer());
}
template <const char* const& kMember>
std::string TextsOf(const Session& /*session*/, const Json& item) {
  return Dash(JoinTexts(item[kMember], " "));
}

constexpr const char* kName = "name";
constexpr const char* kIp = "ip";
constexpr const char* kFamily = "family";
constexpr const char* kAddress = "address";
constexpr const char* kTunnelAddress = "tunnel_address";
constexpr const char* kGateway = "gateway";
constexpr const char* kNode = "node";
constexpr const char* kNodes = "nodes";
constexpr const char* kNamespace = "namespace";
constexpr const char* kGeneration = "generation";
constexpr const char* kWorkloads = "workloads";
constexpr const char* kConnections = "connections";
constexpr const char* kSent = "sent";
constexpr const char* kReceived = "received";
constexpr const char* kPolicies = "policies";
constexpr const char* kPools = "pools";
constexpr const char* kAddresses = "addresses";
constexpr const char* kEgressIps = "egress_ips";
constexpr const char* kDefault = "default";
constexpr const char* kFailback = "failback";
constexpr const char* kPath = "path";

std::string State(const Session& session, const Json& item) { return PaintedState(session, item["state"].text()); }

std::string Labels(const Session& /*session*/, const Json& item) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : item["labels"].members()) parts.push_back(key + '=' + value.text());
  return Dash(Join(parts, ","));
}

std::string Role(const Session& /*session*/, const Json& item) { return item["gateway"].boolean() ? "gateway" : "-"; }
std::string RoundTrip(const Session& /*session*/, const Json& item) {
  return item["rtt_ms"].is_null() ? "-" : std::format("{:.1f} ms", item["rtt_ms"].real());
}
std::string NumberOfIps(const Session& /*session*/, const Json& item) { return std::to_string(item["egress_ips"].items().size()); }
std::string ActionOrDisabled(const Session& session, const Json& item) {
  return item["enabled"].boolean() ? item["action"].text() : session.Yellow("disabled");
}
std::string Source(const Session& /*session*/, const Json& item) { return item["source"].text() == "preserve" ? "preserve" : "-"; }
std::string Bandwidth(const Session& /*session*/, const Json& item) {
  std::vector<std::string> parts;
  const auto add = [&](const char* key, std::string_view direction) {
    const Json& bits = item["bandwidth"][key];
    if (!bits.is_null()) parts.push_back(std::format("{} {}", FormatBits(static_cast<std::uint64_t>(bits.integer())), direction));
  };
  add("egress", "out");
  add("ingress", "in");
  return Dash(Join(parts, ", "));
}
std::string Alive(const Session& session, const Json& item) {
  const auto alive = item["alive"].integer();
  std::string text = std::format("{} of {}", alive, item["nodes"].items().size());
  if (item["drained"].integer() > 0) text += std::format(", {} drained", item["drained"].integer());
  return alive == 0 ? session.Red(text) : text;
}
std::string Placed(const Session& /*session*/, const Json& item) {
  std::vector<std::string> parts;
  for (const Json& ip : item["egress_ips"].items()) parts.push_back(std::format("{}@{}", ip["ip"].text(), Dash(ip["node"].text())));
  return Dash(Join(parts, " "));
}
// "3 of 10", of each family that the pools offer.
std::string Usage(const Session& /*session*/, const Json& item) {
  std::vector<std::string> parts;
  for (const auto& [family, usage] : item["usage"].members()) {
    const auto total = usage["total"].integer();
    if (total > 0) parts.push_back(std::format("{} of {}", usage["used"].integer(), total < 1'000'000 ? std::to_string(total) : "many"));
  }
  return Dash(Join(parts, ", "));
}
template <const char* const& kMember>
std::string YesOf(const Session& /*session*/, const Json& item) {
  return item[kMember].boolean() ? "yes" : "-";
}

// In powers of 1000, as operators of networks count.
std::string VolumeText(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return unit == 0 ? std::format("{} B", bytes) : std::format("{:.1f} {}", value, kUnits[unit]);
}
// "12.3 MB", as this node has counted it.
template <const char* const& kMember>
std::string VolumeOf(const Session& /*session*/, const Json& item) {
  return item[kMember].is_null() ? "-" : VolumeText(item[kMember]["bytes"].integer());
}

// "15s", "300ms"; real numbers arrive as integers when they are whole.
std::string DurationText(const Json& milliseconds) {
  const double value = milliseconds.real();
  if (value >= 1000 && value == std::floor(value / 1000) * 1000) return std::format("{:.0f}s", value / 1000);
  return std::format("{:.0f}ms", value);
}
std::string Lease(const Session& /*session*/, const Json& item) {
  return item["lease_ms"].is_null() ? "-" : DurationText(item["lease_ms"]);
}
std::string Takeover(const Session& /*session*/, const Json& item) {
  return std::format("{} {}", item["takeover"].text(), DurationText(item["restart_grace_ms"]));
}
std::string Bfd(const Session& session, const Json& item) {
  const std::string& state = item["bfd"].text();
  if (state.empty()) return "-";
  const std::string painted = state == "up" ? session.Green(state) : state == "down" ? session.Red(state) : session.Yellow(state);
  return item["detection_ms"].is_null() ? painted : std::format("{} {}", painted, DurationText(item["detection_ms"]));
}

}  // namespace

std::span<const Kind> Kinds() {
  static const std::vector<Kind> kKinds{
      {"nodes",
       "node",
       kName,
       {"node", "no"},
       {{"NODE", TextOf<kName>},
        {"ADDRESS", TextOf<kAddress>},
        {"STATE", State},
        {"ROLE", Role},
        {"RTT", RoundTrip},
        {"BFD", Bfd, Shown::kWhenSet},
        {"PATH", TextOf<kPath>, Shown::kWhenSet},
        {"GENERATION", NumberOf<kGeneration>},
        {"IPS", NumberOfIps},
        {"TUNNEL", TextOf<kTunnelAddress>, Shown::kWide},
        {"HELD", TextsOf<kEgressIps>, Shown::kWide},
        {"LABELS", Labels}}},
      {"gateways",
       "gateway",
       kName,
       {"gateway", "gw"},
       {{"GATEWAY", TextOf<kName>},
        {"ALIVE", Alive},
        {"NODES", TextsOf<kNodes>},
        {"POOLS", TextsOf<kPools>},
        {"USED", Usage},
        {"EGRESS IPS", Placed},
        {"TAKEOVER", Takeover, Shown::kWide},
        {"FAILBACK", YesOf<kFailback>, Shown::kWide},
        {"DEFAULT", YesOf<kDefault>, Shown::kWide},
        {"POLICIES", TextsOf<kPolicies>, Shown::kWide}}},
      {"policies",
       "policy",
       kName,
       {"policy", "pol"},
       {{"POLICY", TextOf<kName>},
        {"ACTION", ActionOrDisabled},
        {"GATEWAY", TextOf<kGateway>},
        {"EGRESS IP", TextsOf<kEgressIps>},
        {"NODE", TextsOf<kNodes>},
        {"SOURCE", Source, Shown::kWhenSet},
        {"BANDWIDTH", Bandwidth, Shown::kWhenSet},
        {"WORKLOADS", NumberOf<kWorkloads>},
        {"CONNS", NumberOf<kConnections>},
        {"SENT", VolumeOf<kSent>, Shown::kWhenSet},
        {"RECEIVED", VolumeOf<kReceived>, Shown::kWhenSet}}},
      {"ips",
       "ip",
       kIp,
       {"ip", "egress-ips"},
       {{"IP", TextOf<kIp>},
        {"FAMILY", TextOf<kFamily>},
        {"GATEWAY", TextOf<kGateway>},
        {"NODE", TextOf<kNode>},
        {"STATE", State},
        {"LEASE", Lease, Shown::kWhenSet},
        {"CONNS", NumberOf<kConnections>},
        {"SENT", VolumeOf<kSent>, Shown::kWhenSet},
        {"RECEIVED", VolumeOf<kReceived>, Shown::kWhenSet},
        {"POLICIES", TextsOf<kPolicies>}}},
      {"workloads",
       "workload",
       kName,
       {"workload", "wl"},
       {{"WORKLOAD", TextOf<kName>},
        {"NAMESPACE", TextOf<kNamespace>},
        {"ADDRESSES", TextsOf<kAddresses>},
        {"POLICIES", TextsOf<kPolicies>},
        {"NODE", TextOf<kNode>, Shown::kWide},
        {"LABELS", Labels}}},
  };
  return kKinds;
}

std::string Listing(const Session& session, const Kind& kind, const Json& items) {
  if (session.format() == Format::kName) {
    std::string out;
    for (const Json& item : items.items()) out += std::format("{}/{}\n", kind.singular, item[kind.key].text());
    return out;
  }
  const auto shown = [&](const Column& column) {
    if (column.shown == Shown::kAlways || session.format() == Format::kWide) return true;
    const auto is_set = [&](const Json& item) { return column.cell(session, item) != "-"; };
    return column.shown == Shown::kWhenSet && std::ranges::any_of(items.items(), is_set);
  };
  std::vector<std::vector<std::string>> rows(1);
  for (const Column& column : kind.columns) {
    if (shown(column)) rows[0].emplace_back(column.title);
  }
  for (const Json& item : items.items()) {
    auto& row = rows.emplace_back();
    for (const Column& column : kind.columns) {
      if (shown(column)) row.push_back(column.cell(session, item));
    }
  }
  return Columns(rows);
}

std::string PaintedState(const Session& session, const std::string& state) {
  if (state == "alive" || state == "held") return session.Green(state);
  if (state == "dead" || state == "conflict" || state == "unassigned") return session.Red(state);
  return session.Yellow(state);
}

std::string JoinTexts(const Json& list, std::string_view separator) {
  std::vector<std::string> parts;
  for (const Json& element : list.items()) parts.push_back(element.text());
  return Join(parts, separator);
}

}  // namespace egressd::ctl
