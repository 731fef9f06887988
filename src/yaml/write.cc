#include "egressd/yaml/write.h"

#include <algorithm>
#include <format>
#include <string_view>
#include <utility>
#include <vector>

#include "egressd/base/bit_rate.h"
#include "egressd/base/duration.h"
#include "egressd/policy/selection.h"
#include "yaml/scalar.h"
#include "yaml/text.h"

namespace egressd::yaml {
namespace {

constexpr std::size_t kWidth = 120;  // a list that is longer stands on several lines

// --- scalars, lists and maps in flow style ---

bool IsPlain(std::string_view text) {
  const auto is_safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("_./-").contains(c);
  };
  if (text.empty() || text.front() == '-' || text.front() == '.' || !std::ranges::all_of(text, is_safe)) return false;
  return LooksLike(text) == Looks::kText && text != "null" && text != "Null" && text != "NULL";
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += std::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Text(std::string_view text) { return IsPlain(text) ? std::string(text) : Quoted(text); }
// The text of a value that has a form of its own: addresses, networks, ports. Colons make quotes necessary.
std::string Value(const std::string& text) { return text.contains(':') ? Quoted(text) : text; }

constexpr auto kToString = [](const auto& value) { return Value(value.ToString()); };
constexpr auto kText = [](const std::string& value) { return Text(value); };

std::string Bracketed(const std::vector<std::string>& elements) {
  std::string out;
  for (const std::string& element : elements) out += (out.empty() ? "" : ", ") + element;
  return "[" + out + "]";
}

// Keys with their values, in order; empty values have been left out.
class Keys {
 public:
  struct Entry {
    std::string key;
    std::string value;
    std::vector<std::string> elements;  // of a list, which `value` is in flow style
  };

  void Add(std::string_view key, std::string value) {
    entries_.push_back({.key = std::string(key), .value = std::move(value), .elements = {}});
  }
  template <typename Range, typename Convert>
  void AddList(std::string_view key, const Range& range, const Convert& convert) {
    if (range.empty()) return;
    std::vector<std::string> elements;
    for (const auto& element : range) elements.push_back(convert(element));
    entries_.push_back({.key = std::string(key), .value = Bracketed(elements), .elements = std::move(elements)});
  }
  std::string Flow() const {
    std::string out;
    for (const Entry& entry : entries_) out += std::format("{}{}: {}", out.empty() ? "" : ", ", entry.key, entry.value);
    return "{" + out + "}";
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

std::string Flow(const policy::Labels& labels) {
  Keys keys;
  for (const auto& [key, value] : labels) keys.Add(Text(key), Text(value));
  return keys.Flow();
}

// --- selectors ---

using Requirements = std::vector<policy::Requirement>;

bool IsLabel(const policy::Requirement& requirement) {
  return requirement.op == policy::Requirement::Operator::kIn && requirement.values.size() == 1;
}

// How many from the front a map of labels says in the same order.
std::size_t LeadingLabels(const Requirements& requirements) {
  std::size_t count = 0;
  while (count < requirements.size() && IsLabel(requirements[count]) &&
         (count == 0 || requirements[count - 1].key < requirements[count].key)) {
    ++count;
  }
  return count;
}

std::string LabelMap(const Requirements& requirements, std::size_t count) {
  Keys keys;
  for (std::size_t i = 0; i < count; ++i) keys.Add(Text(requirements[i].key), Text(requirements[i].values.front()));
  return keys.Flow();
}

std::string Expression(const Requirements& requirements, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < requirements.size(); ++i) out += (out.empty() ? "" : ",") + ToString(requirements[i]);
  return Quoted(out);
}

void AddLabels(Keys& keys, const Requirements& requirements) {
  const std::size_t leading = LeadingLabels(requirements);
  if (leading > 0) keys.Add("labels", LabelMap(requirements, leading));
  if (leading < requirements.size()) keys.Add("select", Expression(requirements, leading));
}

// Where one key takes either a map or an expression.
void AddRequirements(Keys& keys, std::string_view key, const Requirements& requirements) {
  if (requirements.empty()) return;
  const bool is_map = LeadingLabels(requirements) == requirements.size();
  keys.Add(key, is_map ? LabelMap(requirements, requirements.size()) : Expression(requirements, 0));
}

std::string Flow(const policy::Selector& selector) {
  Keys keys;
  AddLabels(keys, selector.labels);
  if (selector.namespace_) keys.Add("namespace", Text(*selector.namespace_));
  AddRequirements(keys, "namespace_labels", selector.namespace_labels);
  if (selector.name) keys.Add("name", Text(*selector.name));
  keys.AddList("cidr", selector.cidrs, kToString);
  if (selector.interface) keys.Add("interface", Text(*selector.interface));
  keys.AddList("unit", selector.units, kText);
  keys.AddList("user", selector.users, kText);
  keys.AddList("node", selector.nodes, kText);
  AddRequirements(keys, "node_labels", selector.node_labels);
  if (selector.all) keys.Add("all", "true");
  return keys.Flow();
}

// --- parts of policies, gateways and pools ---

std::string Flow(const policy::Destination& destination) {
  const Prefix* prefix = std::get_if<Prefix>(&destination);
  return prefix != nullptr ? Value(prefix->ToString()) : Quoted("@" + std::get<std::string>(destination));
}
constexpr auto kDestination = [](const policy::Destination& destination) { return Flow(destination); };

std::string Pair(const std::optional<IpAddress>& ipv4, const std::optional<IpAddress>& ipv6) {
  Keys keys;
  if (ipv4) keys.Add("ipv4", Value(ipv4->ToString()));
  if (ipv6) keys.Add("ipv6", Value(ipv6->ToString()));
  return keys.entries().size() == 1 ? keys.entries().front().value : keys.Flow();
}
constexpr auto kPair = [](const policy::AddressPair& pair) { return Pair(pair.ipv4, pair.ipv6); };

std::string Ports(const policy::PortRange& range) {
  const std::string_view protocol = range.protocol == 6 ? "tcp" : range.protocol == 17 ? "udp" : "sctp";
  if (range.first == range.last) return std::format("{}/{}", protocol, range.first);
  return std::format("{}/{}-{}", protocol, range.first, range.last);
}

std::string Flow(const policy::Subnet& subnet) {
  Keys keys;
  const auto address = [](const std::optional<Prefix>& router) { return router ? std::optional(router->address) : std::nullopt; };
  keys.Add("gateway", Pair(address(subnet.ipv4), address(subnet.ipv6)));
  if (subnet.ipv4 && subnet.ipv6) {
    keys.Add("prefix", std::format("{{ipv4: {}, ipv6: {}}}", subnet.ipv4->length, subnet.ipv6->length));
  } else if (subnet.ipv4 || subnet.ipv6) {
    keys.Add("prefix", std::to_string((subnet.ipv4 ? subnet.ipv4 : subnet.ipv6)->length));
  }
  if (subnet.vlan != 0) keys.Add("vlan", std::to_string(subnet.vlan));
  return keys.Flow();
}

std::string Flow(const policy::BfdTimers& timers) {
  return std::format("{{min_rx: {}, min_tx: {}, multiplier: {}}}", FormatDuration(timers.min_rx), FormatDuration(timers.min_tx),
                     timers.multiplier);
}

std::string Check(const policy::HealthCheck& check) {
  Keys keys;
  switch (check.kind) {
    case policy::HealthCheck::Kind::kTcp:
      keys.Add("tcp", Quoted(check.target.ToString()));
      break;
    case policy::HealthCheck::Kind::kIcmp:
      keys.Add("icmp", Value(check.target.address.ToString()));
      break;
    case policy::HealthCheck::Kind::kHttp:
      keys.Add("http", Quoted("http://" + check.host + check.path));
      break;
  }
  if (check.every != policy::HealthCheck{}.every) keys.Add("every", FormatDuration(check.every));
  if (check.fail != policy::HealthCheck{}.fail) keys.Add("fail", std::to_string(check.fail));
  return keys.Flow();
}

std::string Flow(const policy::Bandwidth& bandwidth) {
  Keys keys;
  if (bandwidth.egress_bits != 0) keys.Add("egress", FormatBits(bandwidth.egress_bits));
  if (bandwidth.ingress_bits != 0) keys.Add("ingress", FormatBits(bandwidth.ingress_bits));
  if (bandwidth.burst_bits != 0) keys.Add("burst", FormatBits(bandwidth.burst_bits));
  return keys.Flow();
}

// --- objects ---

Keys KeysOf(const policy::Namespace& named) {
  Keys keys;
  if (!named.labels.empty()) keys.Add("labels", Flow(named.labels));
  if (named.gateway) keys.Add("gateway", Text(*named.gateway));
  return keys;
}

Keys KeysOf(const policy::Workload& workload) {
  Keys keys;
  keys.AddList("addresses", workload.addresses, kToString);
  if (!workload.labels.empty()) keys.Add("labels", Flow(workload.labels));
  if (workload.namespace_ != policy::Workload{}.namespace_) keys.Add("namespace", Text(workload.namespace_));
  if (workload.node) keys.Add("node", Text(*workload.node));
  return keys;
}

Keys KeysOf(const policy::Pool& pool) {
  Keys keys;
  keys.AddList("ipv4", pool.ipv4, kToString);
  keys.AddList("ipv6", pool.ipv6, kToString);
  keys.AddList("exclude", pool.exclude, kToString);
  if (pool.pair) keys.Add("pair", "true");
  if (pool.subnet) keys.Add("subnet", Flow(*pool.subnet));
  return keys;
}

Keys KeysOf(const policy::Gateway& gateway) {
  const policy::Gateway defaults;
  Keys keys;
  if (gateway.is_default) keys.Add("default", "true");
  if (!gateway.nodes.names.empty()) {
    keys.AddList("nodes", gateway.nodes.names, kText);
  } else if (!gateway.nodes.labels.empty()) {
    Keys nodes;
    AddLabels(nodes, gateway.nodes.labels);
    keys.Add("nodes", nodes.Flow());
  }
  if (gateway.pools.size() == 1) {
    keys.Add("pool", Text(gateway.pools.front()));
  } else {
    keys.AddList("pool", gateway.pools, kText);
  }
  if (gateway.default_ipv4 || gateway.default_ipv6) keys.Add("default_ip", Pair(gateway.default_ipv4, gateway.default_ipv6));
  if (gateway.interface) keys.Add("interface", Text(*gateway.interface));
  if (gateway.announce != defaults.announce) keys.Add("announce", gateway.announce == policy::Announce::kBgp ? "bgp" : "none");
  if (gateway.max_ips_per_node != 0) keys.Add("max_ips_per_node", std::to_string(gateway.max_ips_per_node));
  if (gateway.failback) keys.Add("failback", "true");
  if (gateway.takeover == policy::Takeover::kStrict) keys.Add("takeover", "strict");
  if (gateway.restart_grace != defaults.restart_grace) keys.Add("restart_grace", FormatDuration(gateway.restart_grace));
  if (gateway.bfd) keys.Add("bfd", Flow(*gateway.bfd));
  keys.AddList("health", gateway.health, [](const policy::HealthCheck& check) { return Check(check); });
  return keys;
}

void AddEgressIp(Keys& keys, const policy::Policy& policy) {
  using Kind = policy::EgressIpChoice::Kind;
  const policy::EgressIpChoice& choice = policy.egress_ip;
  // Left out, it means `node` beside `gateway: self`.
  const bool is_default = choice.kind == (policy::LeavesFromOwnNode(policy) ? Kind::kNode : Kind::kAuto);
  switch (choice.kind) {
    case Kind::kAuto:
      if (!is_default) keys.Add("egress_ip", "auto");
      return;
    case Kind::kDefault:
      keys.Add("egress_ip", "default");
      return;
    case Kind::kNode:
      if (!is_default) keys.Add("egress_ip", "node");
      return;
    case Kind::kAddress:
      break;
  }
  if (choice.addresses.size() == 1) {
    keys.Add("egress_ip", kPair(choice.addresses.front()));
  } else {
    keys.AddList("egress_ip", choice.addresses, kPair);
  }
}

// What is done with the connections that the policy is about.
void AddDecision(Keys& keys, const policy::Policy& policy) {
  if (policy.action != policy::Action::kSnat) keys.Add("action", std::string(policy::ToString(policy.action)));
  if (policy.gateway) keys.Add("gateway", Text(*policy.gateway));
  AddEgressIp(keys, policy);
  if (policy.replicas != 0) keys.Add("replicas", std::to_string(policy.replicas));
  if (policy.spread == policy::Spread::kFlow) keys.Add("spread", "flow");
  if (policy.prefer == policy::Prefer::kLocal) keys.Add("prefer", "local");
  if (policy.source == policy::Source::kPreserve) keys.Add("source", "preserve");
  if (policy.on_no_gateway == policy::OnNoGateway::kDirect) keys.Add("on_no_gateway", "direct");
  if (policy.bandwidth != policy::Bandwidth{}) keys.Add("bandwidth", Flow(policy.bandwidth));
}

Keys KeysOf(const policy::Policy& policy) {
  Keys keys;
  if (!policy.description.empty()) keys.Add("description", Text(policy.description));
  if (policy.priority != policy::Policy{}.priority) keys.Add("priority", std::to_string(policy.priority));
  if (!policy.enabled) keys.Add("enabled", "false");
  if (policy.namespace_) keys.Add("namespace", Text(*policy.namespace_));
  if (policy.from.size() == 1) {
    keys.Add("from", Flow(policy.from.front()));
  } else {
    keys.AddList("from", policy.from, [](const policy::Selector& selector) { return Flow(selector); });
  }
  if (policy.to == policy::Reach::kAny) keys.Add("to", "any");
  if (policy.to == policy::Reach::kListed) keys.AddList("to", policy.destinations, kDestination);
  keys.AddList("except", policy.except, kDestination);
  keys.AddList("ports", policy.ports, [](const policy::PortRange& range) { return Ports(range); });
  AddDecision(keys, policy);
  return keys;
}

class Writer {
 public:
  explicit Writer(const Comments& comments) : comments_(comments) {}

  std::string Run(const policy::PolicySet& set) {
    Comment("", "");
    Line("version: 1");
    TopList("guard", set.guard, kToString);
    TopList("internal", set.internal, kToString);
    Section("namespaces", set.namespaces);
    Section("workloads", set.workloads);
    Destinations(set);
    Section("pools", set.pools);
    Section("gateways", set.gateways);
    Section("policies", set.policies);
    return std::move(out_);
  }

 private:
  void Line(const std::string& text) { out_ += text + '\n'; }

  void Comment(const std::string& path, std::string_view indent) {
    const auto found = comments_.find(path);
    if (found == comments_.end()) return;
    std::string_view rest = found->second;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      Line(std::format("{}# {}", indent, Printable(rest.substr(0, end))));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  // "key: value"; a long list with one element a line.
  void Entry(std::string_view indent, const Keys::Entry& entry) {
    if (entry.elements.empty() || indent.size() + entry.key.size() + entry.value.size() + 2 <= kWidth) {
      return Line(std::format("{}{}: {}", indent, entry.key, entry.value));
    }
    Line(std::format("{}{}:", indent, entry.key));
    for (const std::string& element : entry.elements) Line(std::format("{}  - {}", indent, element));
  }

  template <typename Range, typename Convert>
  void TopList(const std::string& key, const Range& range, const Convert& convert) {
    Keys keys;
    keys.AddList(key, range, convert);
    if (keys.entries().empty()) return;
    Comment(key, "");
    Entry("", keys.entries().front());
  }

  template <typename Object>
  void Section(const std::string& section, const std::map<std::string, Object>& objects) {
    if (objects.empty()) return;
    Line(section + ":");
    for (const auto& [name, object] : objects) {
      Comment(section + "." + name, "  ");
      const Keys keys = KeysOf(object);
      if (keys.entries().empty()) {
        Line(std::format("  {}: {{}}", Text(name)));
        continue;
      }
      Line(std::format("  {}:", Text(name)));
      for (const Keys::Entry& entry : keys.entries()) Entry("    ", entry);
    }
  }

  void Destinations(const policy::PolicySet& set) {
    if (set.destinations.empty()) return;
    Line("destinations:");
    for (const auto& [name, list] : set.destinations) {
      Comment("destinations." + name, "  ");
      Keys keys;
      keys.AddList(Text(name), list, kDestination);
      if (keys.entries().empty()) keys.Add(Text(name), "[]");
      Entry("  ", keys.entries().front());
    }
  }

  const Comments& comments_;
  std::string out_;
};

}  // namespace

std::string Write(const policy::PolicySet& set, const Comments& comments) { return Writer(comments).Run(set); }

}  // namespace egressd::yaml
