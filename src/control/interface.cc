// What `varlinkctl introspect <socket> io.egressd` shows. libsystemd declares its structures with flexible array members, for which C++ has
// no initialisers; so the declaration stands here as a table and is laid out in memory once.
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "control/convert.h"
#include "egressd/base/error.h"
#include "egressd/control/server.h"

namespace egressd::control {

namespace {

// "[]" list, "map" of, "?" may be absent; a type with a capital letter is one of ours.
struct Field {
  const char* name;
  std::string_view type;
};
struct Symbol {
  const char* name;
  sd_varlink_symbol_type_t kind;
  std::vector<Field> inputs;   // fields of types and errors, too
  std::vector<Field> outputs;
  bool more = false;
};

std::vector<Symbol> Types() {
  constexpr auto kType = SD_VARLINK_STRUCT_TYPE;
  return {
      {"Node",
       kType,
       {{"name", "string"},
        {"state", "string"},
        {"address", "string"},
        {"labels", "map string"},
        {"gateway", "bool"},
        {"generation", "int"},
        {"rtt_ms", "?float"},
        {"egress_ips", "[]string"},
        {"self", "bool"},
        {"tunnel_address", "string"},
        {"bfd", "string"},
        {"detection_ms", "?float"},
        {"path", "string"}},
       {}},
      // What this node has counted as the holder; null where it is not.
      {"Volume", kType, {{"packets", "int"}, {"bytes", "int"}}, {}},
      {"EgressIp",
       kType,
       {{"ip", "string"},
        {"family", "string"},
        {"gateway", "string"},
        {"node", "string"},
        {"state", "string"},
        {"policies", "[]string"},
        {"connections", "?int"},
        {"sent", "?Volume"},
        {"received", "?Volume"},
        {"lease_ms", "?float"}},
       {}},
      // In bits in a second; `burst` in bits.
      {"Bandwidth", kType, {{"egress", "?int"}, {"ingress", "?int"}, {"burst", "?int"}}, {}},
      {"Policy",
       kType,
       {{"name", "string"},
        {"action", "string"},
        {"gateway", "string"},
        {"egress_ips", "[]string"},
        {"workloads", "int"},
        {"connections", "?int"},
        {"sent", "?Volume"},
        {"received", "?Volume"},
        {"enabled", "bool"},
        {"nodes", "[]string"},
        {"source", "string"},
        {"bandwidth", "?Bandwidth"}},
       {}},
      {"Health", kType, {{"code", "string"}, {"severity", "string"}, {"object", "string"}, {"text", "string"}, {"hint", "string"}}, {}},
      {"Generation", kType, {{"generation", "int"}, {"digest", "string"}}, {}},
      {"Rejected",
       kType,
       {{"malformed", "int"}, {"wrong_cluster", "int"}, {"wrong_key", "int"}, {"forged", "int"}, {"replayed", "int"}},
       {}},
      {"Cluster", kType, {{"name", "string"}, {"alive", "int"}, {"total", "int"}, {"nodes", "[]Node"}, {"rejected", "Rejected"}}, {}},
      {"Datapath", kType, {{"in_sync", "bool"}, {"corrections", "int"}, {"counters", "map int"}}, {}},
      {"Finding",
       kType,
       {{"file", "string"},
        {"line", "int"},
        {"column", "int"},
        {"severity", "string"},
        {"code", "string"},
        {"message", "string"},
        {"path", "string"},
        {"hint", "string"}},
       {}},
      {"Change", kType, {{"object", "string"}, {"kind", "string"}, {"details", "[]string"}}, {}},
      {"Event",
       kType,
       {{"time", "string"}, {"node", "string"}, {"kind", "string"}, {"object", "string"}, {"text", "string"}, {"severity", "string"}},
       {}},
      {"Key", kType, {{"fingerprint", "string"}, {"primary", "bool"}, {"nodes", "int"}}, {}},
      {"KeyNode",
       kType,
       {{"name", "string"}, {"state", "string"}, {"self", "bool"}, {"answered", "bool"}, {"follows", "bool"}, {"keys", "[]string"}},
       {}},
      {"Rejection", kType, {{"policy", "string"}, {"reason", "string"}}, {}},
      // Of a policy that gives its egress IPs to new connections in turn.
      {"Choice", kType, {{"egress_ip", "?string"}, {"node", "string"}, {"share", "float"}}, {}},
  };
}

std::vector<Symbol> MethodsAndErrors() {
  constexpr auto kMethod = SD_VARLINK_METHOD;
  constexpr auto kError = SD_VARLINK_ERROR;
  return {
      {"GetStatus",
       kMethod,
       {{"connections", "?bool"}},
       {{"schema", "string"},
        {"node", "string"},
        {"version", "string"},
        {"healthy", "bool"},
        {"synced", "bool"},
        {"policy", "Generation"},
        {"cluster", "Cluster"},
        {"datapath", "Datapath"},
        {"egress_ips", "[]EgressIp"},
        {"policies", "[]Policy"},
        {"health", "[]Health"}}},
      {"Validate", kMethod, {{"text", "string"}, {"file", "?string"}}, {{"findings", "[]Finding"}}},
      {"Diff",
       kMethod,
       {{"text", "string"}, {"file", "?string"}},
       {{"generation", "int"}, {"findings", "[]Finding"}, {"changes", "[]Change"}, {"effects", "[]string"}, {"connections", "int"}}},
      {"Apply",
       kMethod,
       {{"text", "string"}, {"file", "?string"}},
       {{"generation", "int"}, {"findings", "[]Finding"}, {"changes", "[]Change"}, {"effects", "[]string"}}},
      {"Reload", kMethod, {}, {{"generation", "int"}, {"notes", "[]string"}}},
      // Orders are answered when they are taken, not when they are carried out: GetStatus shows that. Without `node`, this one.
      {"Drain", kMethod, {{"node", "?string"}, {"seconds", "?int"}}, {{"node", "string"}, {"changed", "bool"}, {"egress_ips", "[]string"}}},
      {"Undrain", kMethod, {{"node", "?string"}}, {{"node", "string"}, {"changed", "bool"}}},
      {"Move",
       kMethod,
       {{"ip", "string"}, {"node", "string"}},
       {{"ip", "string"}, {"from", "string"}, {"node", "string"}, {"changed", "bool"}}},
      {"List", kMethod, {{"kind", "string"}, {"name", "?string"}}, {{"schema", "string"}, {"items", "[]object"}}},
      {"Explain",
       kMethod,
       {{"source", "string"}, {"destination", "string"}, {"protocol", "?int"}, {"port", "?int"}, {"interface", "?string"}},
       {{"schema", "string"},
        {"policy", "string"},
        {"action", "string"},
        {"gateway", "string"},
        {"egress_ip", "?string"},
        {"node", "string"},
        {"choices", "[]Choice"},
        {"path", "[]string"},
        {"rejected", "[]Rejection"},
        {"source", "string"},
        {"workload", "string"},
        {"process", "string"},
        {"destination", "string"}}},
      {"Events", kMethod, {}, {{"events", "[]Event"}}, true},
      // The same text that HTTP clients get.
      {"Metrics", kMethod, {{"openmetrics", "?bool"}}, {{"text", "string"}}},
      {"GetPolicy", kMethod, {}, {{"generation", "int"}, {"text", "string"}}},
      {"Keys",
       kMethod,
       {{"action", "string"}, {"keys", "?[]string"}, {"fingerprints", "?[]string"}, {"force", "?bool"}},
       {{"schema", "string"},
        {"ring", "int"},
        {"source", "string"},
        {"file", "string"},
        {"in_file", "bool"},
        {"keys", "[]Key"},
        {"nodes", "[]KeyNode"},
        {"unmet", "[]string"},
        {"text", "?string"}}},
      {"Version", kMethod, {}, {{"version", "string"}}},
      {kInvalid, kError, {{"findings", "[]Finding"}}, {}},
      {kRefused, kError, {{"message", "string"}}, {}},
      {kNoSuchObject, kError, {{"message", "string"}}, {}},
      {kNotReady, kError, {{"message", "string"}}, {}},
      {kBadArgument, kError, {{"message", "string"}}, {}},
  };
}

// Zeroed memory that is never given back: the interface lives as long as the process.
template <typename T>
T* Allocate(std::size_t fields, std::size_t field_bytes, std::size_t offset) {
  const std::size_t size = std::max(sizeof(T), offset + (fields + 1) * field_bytes);
  auto* memory = static_cast<std::byte*>(::operator new(size));
  std::memset(memory, 0, size);
  return std::launder(reinterpret_cast<T*>(memory));
}

using Named = std::map<std::string_view, sd_varlink_symbol*>;

sd_varlink_field Describe(const Field& field, sd_varlink_field_direction_t direction, const Named& types) {
  static constexpr std::pair<std::string_view, sd_varlink_field_type_t> kBuiltIn[] = {{"bool", SD_VARLINK_BOOL},
                                                                                      {"int", SD_VARLINK_INT},
                                                                                      {"float", SD_VARLINK_FLOAT},
                                                                                      {"string", SD_VARLINK_STRING},
                                                                                      {"object", SD_VARLINK_OBJECT}};
  sd_varlink_field out{};
  out.name = field.name;
  out.field_direction = direction;
  std::string_view type = field.type;
  int flags = 0;
  if (type.starts_with('?')) type.remove_prefix(1), flags |= SD_VARLINK_NULLABLE;
  if (type.starts_with("[]")) type.remove_prefix(2), flags |= SD_VARLINK_ARRAY;
  if (type.starts_with("map ")) type.remove_prefix(4), flags |= SD_VARLINK_MAP;
  out.field_flags = static_cast<sd_varlink_field_flags_t>(flags);
  for (const auto& [name, value] : kBuiltIn) {
    if (type == name) {
      out.field_type = value;
      return out;
    }
  }
  const auto found = types.find(type);
  EGRESSD_ASSERT(found != types.end());
  out.field_type = SD_VARLINK_NAMED_TYPE;
  out.named_type = found->second->name;
  out.symbol = found->second;
  return out;
}

sd_varlink_symbol* Describe(const Symbol& symbol, const Named& types) {
  const std::size_t count = symbol.inputs.size() + symbol.outputs.size();
  auto* out = Allocate<sd_varlink_symbol>(count, sizeof(sd_varlink_field), offsetof(sd_varlink_symbol, fields));
  out->name = symbol.name;
  out->symbol_type = symbol.kind;
  if (symbol.more) out->symbol_flags = SD_VARLINK_SUPPORTS_MORE;
  sd_varlink_field* next = out->fields;
  const auto inward = symbol.kind == SD_VARLINK_METHOD ? SD_VARLINK_INPUT : SD_VARLINK_REGULAR;
  for (const Field& field : symbol.inputs) *next++ = Describe(field, inward, types);
  for (const Field& field : symbol.outputs) *next++ = Describe(field, SD_VARLINK_OUTPUT, types);
  return out;
}

const sd_varlink_interface* Make() {
  Named types;
  std::vector<sd_varlink_symbol*> symbols;
  for (const Symbol& type : Types()) {  // each uses only those before it
    symbols.push_back(Describe(type, types));
    types.emplace(type.name, symbols.back());
  }
  for (const Symbol& symbol : MethodsAndErrors()) symbols.push_back(Describe(symbol, types));
  auto* out = Allocate<sd_varlink_interface>(symbols.size(), sizeof(sd_varlink_symbol*), offsetof(sd_varlink_interface, symbols));
  out->name = kInterface;
  const sd_varlink_symbol** next = out->symbols;
  for (const sd_varlink_symbol* symbol : symbols) *next++ = symbol;
  return out;
}

}  // namespace

const sd_varlink_interface* Interface() {
  static const sd_varlink_interface* const kMade = Make();
  return kMade;
}

}  // namespace egressd::control
