// Policy sets: applied here, arrived from others, taken or refused by the kernel.
#include <algorithm>
#include <format>

#include "agent/body.h"
#include "egressd/policy/validate.h"

namespace egressd::agent {
namespace {

constexpr std::size_t kWaitingApplies = 16;
constexpr Duration kKernelRetry{5'000'000};
constexpr Duration kFirstRetry{250'000};   // and then twice as long each time, up to kKernelRetry: what is to be let go shall not stay

std::string FirstError(const std::vector<policy::Finding>& findings) {
  const auto found = std::ranges::find(findings, policy::Severity::kError, &policy::Finding::severity);
  if (found == findings.end()) return "unknown error";
  return found->path.empty() ? found->message : std::format("{}: {}", found->path, found->message);
}

// What placement wants to know of the bindings.
void IndexBindings(Compiled& compiled) {
  std::map<std::pair<std::string, Family>, std::vector<IpAddress>> replicas;
  for (const policy::Binding& binding : compiled.generation.bindings.bindings) {
    if (!binding.egress_ip) continue;
    compiled.gateway_of.emplace(*binding.egress_ip, binding.gateway);
    replicas[{binding.policy, binding.family}].push_back(*binding.egress_ip);
  }
  for (auto& [policy, addresses] : replicas) {
    if (addresses.size() > 1) compiled.apart.push_back(std::move(addresses));
  }
}

}  // namespace

std::unique_ptr<policy::Selection> Agent::Body::Compile(policy::PolicySet set) const {
  auto selection = std::make_unique<policy::Selection>(std::move(set), settings.config.node.name, settings.config.node.labels);
  for (const auto& [source, known] : workloads) selection->SetWorkloads(source, known);
  selection->SetProcesses(processes);
  return selection;
}

std::unique_ptr<Compiled> Agent::Body::CompileStored(const std::string& content) const {
  auto generation = DecodeGeneration(content);
  if (!generation) return nullptr;
  auto set = parse(generation->text);
  if (!set) return nullptr;
  auto compiled = std::make_unique<Compiled>();
  compiled->selection = Compile(std::move(*set));
  compiled->generation = std::move(*generation);
  IndexBindings(*compiled);
  return compiled;
}

policy::Surroundings Agent::Body::KnownSurroundings() const {
  policy::Surroundings surroundings;
  for (const state::HostDevice& device : host.devices) {
    if (device.loopback) continue;
    for (const Prefix& prefix : device.addresses) surroundings.node_addresses.push_back(prefix.address);
  }
  for (const auto& [name, member] : membership.members()) surroundings.node_addresses.push_back(member.record.underlay);
  if (underlay) surroundings.node_addresses.push_back(*underlay);
  std::ranges::sort(surroundings.node_addresses);
  const auto repeated = std::ranges::unique(surroundings.node_addresses);
  surroundings.node_addresses.erase(repeated.begin(), repeated.end());
  for (const state::HostRoute& route : host.routes) {
    if (route.destination.length > 0) surroundings.routes.push_back(route.destination);
  }
  surroundings.tunnel = settings.config.tunnel;
  surroundings.nodes = 1 + static_cast<std::size_t>(std::ranges::count_if(membership.members(), [](const auto& entry) {
    return entry.second.verdict != gossip::Verdict::kLeft;
  }));
  return surroundings;
}

Prepared Agent::Body::Prepare(const std::string& text) const {
  Prepared prepared;
  auto set = parse(text);
  if (!set) {
    prepared.findings = std::move(set.error());
    return prepared;
  }
  prepared.findings = policy::Validate(*set, KnownSurroundings());
  if (policy::HasErrors(prepared.findings)) return prepared;
  std::ranges::move(policy::RemovedInUse(*set, in_force->generation.bindings), std::back_inserter(prepared.findings));
  auto bindings = policy::Bind(*set, in_force->generation.bindings);
  if (!bindings) {
    std::ranges::move(bindings.error(), std::back_inserter(prepared.findings));
    return prepared;
  }
  prepared.compiled = std::make_unique<Compiled>();
  prepared.compiled->selection = Compile(std::move(*set));
  prepared.compiled->generation.bindings = std::move(*bindings);
  IndexBindings(*prepared.compiled);
  prepared.compiled->generation.text = text;
  return prepared;
}

void Agent::Body::CompareWithCurrent(const Compiled& next, ApplyResult& result) const {
  const policy::PolicySet none;
  result.changes = policy::Changes(in_force->selection ? in_force->selection->set() : none, next.selection->set());
  result.effects = policy::Effects(in_force->generation.bindings, next.generation.bindings);
}

void Agent::Body::Take(Time, const ApplyPolicy& input, Output& output) {
  const auto refuse = [&](std::string why) {
    ApplyResult result{.request = input.request, .generation = in_force->generation.number};
    result.error = Error{ErrorKind::kUnavailable, std::move(why)};
    output.results.push_back(std::move(result));
  };
  if (leaving) return refuse("this node is stopping");
  if (!synced) {
    if (waiting.size() >= kWaitingApplies) return refuse("too many policies wait until this node is synced with its cluster");
    waiting.push_back(input);
    return;
  }
  if (pending) return refuse("another apply is in progress");
  StartApply(input, output);
}

void Agent::Body::StartApply(const ApplyPolicy& input, Output& output) {
  ApplyResult result{.request = input.request, .generation = in_force->generation.number};
  const bool known = std::ranges::contains(in_force->generation.applied, DigestOfText(input.text));
  if (input.only_if_new && known) {
    output.results.push_back(std::move(result));
    return;
  }
  Prepared prepared = Prepare(input.text);
  result.findings = std::move(prepared.findings);
  if (!prepared.compiled) {
    output.notes.push_back({.kind = "policy.refused",
                            .text = std::format("policy from {} refused: {}", input.actor, FirstError(result.findings)),
                            .object = input.actor,
                            .warning = true});
    output.results.push_back(std::move(result));
    return;
  }
  CompareWithCurrent(*prepared.compiled, result);
  if (in_force->selection && input.text == in_force->generation.text) {
    output.results.push_back(std::move(result));
    return;
  }
  prepared.compiled->generation.origin = std::format("{}: {}", settings.config.node.name, input.actor).substr(0, 1024);
  pending = Pending{.request = input.request, .revision = 0, .result = std::move(result), .compiled = std::move(prepared.compiled),
                    .former_claims = claims};
  refused.clear();  // another policy, another chance
  view_changed = true;
}

// The kernel has it: from now on it is a generation.
void Agent::Body::FinishApply(Output& output) {
  Pending done = std::move(*pending);
  pending.reset();
  std::uint64_t highest = std::max(in_force->generation.number, replication.version().number);
  if (settings.config.replicate_policy) {
    for (const auto& [name, member] : membership.members()) highest = std::max(highest, member.record.policy.number);
  }
  PolicyGeneration& generation = done.compiled->generation;
  generation.number = highest + 1;
  generation.applied = WithApplied(in_force->generation.applied, DigestOfText(generation.text));
  PutInForce(std::move(done.compiled));
  done.result.generation = in_force->generation.number;
  output.notes.push_back({.kind = "policy.applied",
                          .text = std::format("generation {} applied by {}", in_force->generation.number, in_force->generation.origin),
                          .object = std::to_string(in_force->generation.number)});
  std::ranges::move(done.notes, std::back_inserter(output.notes));
  output.results.push_back(std::move(done.result));
}

void Agent::Body::AbandonApply(const Error& error, Output& output) {
  Pending done = std::move(*pending);
  pending.reset();
  claims = std::move(done.former_claims);
  ForgetPolicyOfInputs();
  view_changed = build_needed = true;
  commit_needed = true;
  done.result.error = error;
  done.result.generation = in_force->generation.number;
  output.notes.push_back({.kind = "policy.refused", .text = std::format("the kernel refused the policy: {}", error.message),
                          .object = std::to_string(in_force->generation.number), .warning = true});
  output.results.push_back(std::move(done.result));
}

void Agent::Body::PutInForce(std::unique_ptr<Compiled> compiled) {
  in_force = std::move(compiled);
  const std::string content = EncodeGeneration(in_force->generation);
  replication.Have({.version = gossip::VersionOf(in_force->generation.number, content), .content = content});
  unusable_generation.clear();
  // Nobody asks any more, so nobody would say that it is well again.
  std::erase_if(unhealthy, [&](const auto& entry) {
    const auto& gateways = in_force->selection->set().gateways;
    const auto found = gateways.find(entry.first);
    return found == gateways.end() || found->second.health.empty();
  });
  view_changed = recheck = policy_is_new = true;
}

void Agent::Body::Adopt(const gossip::Generation& generation, Output& output) {
  if (!settings.config.replicate_policy || generation.version <= replication.version()) return;
  const auto unusable = [&](std::string why) {
    unusable_generation = std::format("generation {}: {}", generation.version.number, why);
    replication.Refuse(generation.version);
    const std::string object = std::to_string(generation.version.number);
    output.notes.push_back({.kind = "policy.unusable", .text = unusable_generation, .object = object, .warning = true});
  };
  auto decoded = DecodeGeneration(generation.content);
  if (!decoded || decoded->number != generation.version.number) return unusable("its content is damaged or of a later version of egressd");
  auto set = parse(decoded->text);
  if (!set) return unusable(FirstError(set.error()));
  auto compiled = std::make_unique<Compiled>();
  compiled->selection = Compile(std::move(*set));
  compiled->generation = std::move(*decoded);
  IndexBindings(*compiled);
  PutInForce(std::move(compiled));
  ForgetPolicyOfInputs();
  build_needed = true;
  output.notes.push_back({.kind = "policy.adopted",
                          .text = std::format("generation {} adopted from {}", in_force->generation.number, in_force->generation.origin),
                          .object = std::to_string(in_force->generation.number)});
}

void Agent::Body::Take(Time at, const Committed& input, Output& output) {
  if (input.error && input.error->kind == ErrorKind::kExpired) {
    // This process stood still between the decision and the commit, or a strict lease waits for its round: decide again.
    view_changed = true;
    leases.commit_waits = std::ranges::any_of(inputs.holds, [&](const auto& entry) { return IsStrictlyHeld(entry); });
    commit_needed = commit_needed || !leases.commit_waits;
    return;
  }
  if (input.error) {
    if (pending && pending->revision != 0 && input.revision >= pending->revision) return AbandonApply(*input.error, output);
    if (input.revision < revision) return;  // there is a later one under way
    // What the kernel did not take is not held here: somebody else may.
    std::erase_if(claims, [&](const auto& entry) {
      if (committed_holds.contains(entry.first)) return false;
      refused[entry.first] = {.until = at + kKernelRetry, .by = Refused::By::kKernel, .reason = input.error->message};
      return true;
    });
    if (kernel_error != input.error->message) {
      const std::string& name = settings.config.node.name;
      output.notes.push_back({.kind = "kernel.refused", .text = input.error->message, .object = name, .warning = true});
    }
    kernel_error = input.error->message;
    retry_after = std::clamp(retry_after * 2, kFirstRetry, kKernelRetry);
    retry_at = at + retry_after;
    view_changed = true;
    return;
  }
  if (input.revision < revision) return;  // there is a later one under way
  const bool first = committed_revision == 0;
  if (first || !kernel_error.empty()) view_changed = true;  // ready from now on
  committed_revision = input.revision;
  touched.emplace();
  kernel_error.clear();
  retry_at = kNever;
  retry_after = Duration{0};
  if (pending && pending->revision != 0) FinishApply(output);
  if (recheck || recheck_at <= at) RecheckConnections(output);
  const auto held_in = [](const std::map<IpAddress, plan::Hold>& holds, const IpAddress& address) {
    const auto found = holds.find(address);
    return found != holds.end() && found->second.standing == plan::Hold::Standing::kHeld;
  };
  for (const auto& [address, hold] : inputs.holds) {
    if (!held_in(inputs.holds, address) || held_in(committed_holds, address)) continue;
    announcer.Start(at, address);
    const auto gateway = current().gateway_of.find(address);
    if (gateway == current().gateway_of.end()) continue;
    if (auto takeover = takeovers.End(at, address, gateway->second)) output.takeovers.push_back(std::move(*takeover));
  }
  for (const auto& [address, hold] : committed_holds) {
    if (!held_in(inputs.holds, address)) announcer.Stop(address);
    if (!inputs.holds.contains(address)) output.forget.push_back(address);
  }
  // What this node translated before its start, for egress IPs that it has no more: the ports are another gateway's.
  if (first) {
    for (const auto& [address, gateway] : current().gateway_of) {
      if (!inputs.holds.contains(address)) output.forget.push_back(address);
    }
  }
  committed_holds = inputs.holds;
  LeasesPlaced(at);
  HandoverCommitted(at);
}

}  // namespace egressd::agent
