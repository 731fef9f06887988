#include "daemon/daemon.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <format>

#include "daemon/log.h"
#include "daemon/start.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"
#include "egressd/yaml/yaml.h"

namespace egressd::daemon {

using control::Json;

namespace {

// A cluster that does not come together must not keep `systemctl start` waiting for ever.
constexpr Duration kLongestStart = std::chrono::seconds(20);
// Nor may a container engine that is there and says nothing.
constexpr Duration kLongestFirstLook = std::chrono::seconds(3);
// A handover takes little more than a second, most of which is lingering for packets on their way.
constexpr Duration kLongestHandover = std::chrono::seconds(4);

// Which peer had which slot before the restart: table first_table + n has the peer's tunnel address as its default route.
std::map<IpAddress, Slot> SlotsIn(const state::State& observed, const policy::NodeConfig::Datapath& datapath) {
  std::map<IpAddress, Slot> out;
  for (const auto& [key, route] : observed.routes) {
    if (key.destination.length != 0 || !route.next_hop || key.table <= datapath.first_table) continue;
    const std::uint32_t number = key.table - datapath.first_table;
    if (number <= plan::kLastPeerSlot) out[*route.next_hop] = Slot{static_cast<std::uint8_t>(number)};
  }
  return out;
}

// Text of a policy file → set, for generations of this node and of others alike; so nothing of this host's surroundings goes in.
std::expected<policy::PolicySet, std::vector<policy::Finding>> ParsePolicy(std::string_view text) {
  auto parsed = yaml::ParsePolicy(text, "policy");
  if (!parsed.ok()) return std::unexpected(std::move(parsed.findings));
  return std::move(parsed.value);
}

}  // namespace

Daemon::Daemon(Setup setup, EventLoop loop, Fd lock)
    : setup_(std::move(setup)),
      loop_(std::move(loop)),
      lock_(std::move(lock)),
      journal_(setup_.config.node.name),
      started_(EventLoop::Now()) {}

Result<std::unique_ptr<Daemon>> Daemon::Open(Setup setup) {
  if (auto made = control::MakeDirectory(setup.options.run_directory, 0755); !made) return std::unexpected(std::move(made.error()));
  if (auto made = control::MakeDirectory(setup.options.state_directory, 0750); !made) return std::unexpected(std::move(made.error()));
  auto lock = control::LockDirectory(setup.options.run_directory);
  if (!lock) return std::unexpected(std::move(lock.error()));
  auto loop = EventLoop::Open();
  if (!loop) return std::unexpected(std::move(loop.error()));
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(setup), std::move(*loop), std::move(*lock)));
  if (auto opened = daemon->OpenEdges(); !opened) return std::unexpected(std::move(opened.error()));
  if (auto opened = daemon->OpenControl(); !opened) return std::unexpected(std::move(opened.error()));
  if (auto registered = daemon->Register(); !registered) return std::unexpected(std::move(registered.error()));
  return daemon;
}

Result<void> Daemon::OpenEdges() {
  const policy::NodeConfig& config = setup_.config;
  auto kernel = kernel::Kernel::Open({.tunnel_device = config.tunnel.device,
                                      .first_table = config.datapath.first_table,
                                      .last_table = config.datapath.last_table,
                                      .state_directory = setup_.options.state_directory});
  if (!kernel) return std::unexpected(std::move(kernel.error()).In("kernel"));
  auto host = kernel->ReadHost();
  if (!host) return std::unexpected(std::move(host.error()).In("host"));
  if (const auto findings = CheckAgainstHost(setup_, *host); policy::HasErrors(findings)) {
    return Fail(ErrorKind::kInvalid, ToString(findings, setup_.config_text));
  }
  auto observed = kernel->Observe();
  if (!observed) return std::unexpected(std::move(observed.error()).In("kernel"));

  auto connections = Connections::Open(config.tunnel);
  if (!connections) return std::unexpected(std::move(connections.error()));
  auto census = Census::Open();
  if (!census) return std::unexpected(std::move(census.error()));
  auto uplinks = Uplinks::Open();
  if (!uplinks) return std::unexpected(std::move(uplinks.error()).In("uplinks"));
  std::optional<net::UdpSocket> socket;
  if (!setup_.keys.empty()) {
    auto bound = net::UdpSocket::Bind(ListenAddress(config, *host));
    if (!bound) return std::unexpected(std::move(bound.error()).In("gossip"));
    socket = std::move(*bound);
  }
  const Core::Files files = FilesIn(setup_.options);
  auto settings = SettingsOf(setup_);
  if (!settings) return std::unexpected(std::move(settings.error()));
  settings->slots = SlotsIn(*observed, config.datapath);
  for (const auto& [key, address] : observed->egress_addresses) settings->held.insert(key.address);
  core_.emplace(agent::Agent(std::move(*settings), ParsePolicy, EventLoop::Now()), std::move(*kernel), std::move(*connections),
                std::move(*census), std::move(*uplinks), config, std::move(socket), files, journal_);

  auto follower = discover::Follower::Open(config.workloads_directory);
  if (!follower) return std::unexpected(std::move(follower.error()).In("workloads"));
  workloads_.emplace(std::move(*follower));
  auto processes = Processes::Open();
  if (!processes) return std::unexpected(std::move(processes.error()).In("processes"));
  processes_.emplace(std::move(*processes));
  auto containers = Containers::Open(config);
  if (!containers) return std::unexpected(std::move(containers.error()).In("containers"));
  containers_.emplace(std::move(*containers));
  return {};
}

Result<void> Daemon::OpenControl() {
  std::optional<std::uint32_t> group;
  if (const std::string& name = setup_.config.control_group; !name.empty()) {
    group = control::GroupNumber(name);
    if (!group) Warn(std::format("control.group: there is no group {}; the control socket keeps the daemon's own", name));
  }
  scrape_.emplace(*core_, [this] { return Facts(); });
  service_.emplace(*core_, journal_,
                   Service::Edges{.health = [this] { return health(); },
                                  .reload = [this](std::shared_ptr<control::Call> call) { Reload(call); },
                                  .applied = [this] { policy_file_trouble_.reset(); },
                                  .key_file = [this] { return LookAtKeyFile(); },
                                  .metrics = [this](Exposition exposition, const Scrape::Done& done) { scrape_->Ask(exposition, done); }});
  auto server = control::Server::Open({.path = setup_.options.run_directory + "/control.sock", .group = group},
                                      [this](std::shared_ptr<control::Call> call) { service_->Serve(std::move(call)); });
  if (!server) return std::unexpected(std::move(server.error()));
  server_.emplace(std::move(*server));
  if (!setup_.config.metrics.serve) return {};
  auto metrics = MetricsEndpoint::Open(setup_.config.metrics, *scrape_, [this] { return NotReady(); });
  if (!metrics) return std::unexpected(std::move(metrics.error()));
  metrics_ = std::move(*metrics);
  return {};
}

Result<void> Daemon::Register() {
  auto done = loop_.OnReadable(core_->kernel().notification_fd(), [this] { core_->TakeNotifications(); });
  if (done && core_->socket_fd() >= 0) done = loop_.OnReadable(core_->socket_fd(), [this] { core_->TakeDatagrams(); });
  for (const int fd : core_->other_fds()) {
    if (done) done = loop_.OnReadable(fd, [this] { core_->OnReadable(); });
  }
  if (done) done = loop_.OnReadable(core_->uplinks_fd(), [this] { core_->TakeForeignAnnouncements(); });
  if (done) {
    done = loop_.OnReadable(workloads_->fd(), [this] {
      for (auto& change : workloads_->Take()) core_->Feed(std::move(change));
    });
  }
  for (const int fd : processes_->fds()) {
    if (!done) break;
    done = loop_.OnReadable(fd, [this] {
      if (auto change = processes_->Take()) core_->Feed(std::move(*change));
    });
  }
  for (const int fd : containers_->fds()) {
    if (!done) break;
    done = loop_.OnReadable(fd, [this] {
      containers_->OnReady();
      FeedContainers();
    });
  }
  if (done) done = loop_.OnReadable(server_->fd(), [this] { server_->Process(); });
  if (done && metrics_) done = loop_.OnReadable(metrics_->fd(), [this] { metrics_->OnReady(); });
  if (done) done = loop_.OnSignal(SIGHUP, [this] { Reload(nullptr); });
  for (const int signal : {SIGTERM, SIGINT}) {
    if (done) done = loop_.OnSignal(signal, [this] { Stop(); });
  }
  if (done) {
    done = loop_.OnTimer([this] {
      core_->OnTimer();
      containers_->OnTimer();
      FeedContainers();
      if (metrics_) metrics_->OnTimer();
    });
  }
  if (done) done = loop_.OnRoundEnd([this] { OnRoundEnd(); });
  return done;
}

void Daemon::FeedContainers() {
  for (auto& change : containers_->Take()) core_->Feed(std::move(change));
}

void Daemon::OnRoundEnd() {
  server_->Process();  // sends what was answered outside of it
  Time next = std::min(core_->wake_at(), containers_->NextTimer());
  if (metrics_) next = std::min(next, metrics_->NextTimer());
  loop_.SetTimer(containers_->has_changes() ? EventLoop::Now() : next);
  if (ready_) return;
  const bool synced = core_->agent().synced();
  if (!synced && EventLoop::Now() - started_ < kLongestStart) return;
  ready_ = true;
  const std::string state = synced ? "synced with its cluster" : "still waiting for its cluster";
  Info("ready, " + state);
  NotifySystemd("READY=1\nSTATUS=" + state);
}

int Daemon::Run() {
  // A page that must be read from disk first is a failover too late. Only what is touched is kept (12 MB, not the address space).
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) Debug(std::format("memory is not locked: {}", std::strerror(errno)));
  Info(std::format("egressd {} on {}: cluster {}, {}", EGRESSD_VERSION, setup_.config.node.name, setup_.config.cluster.name,
                   setup_.keys.empty() ? std::string("of one (no gossip key)") : std::format("{} gossip key(s)", setup_.keys.size())));
  core_->Feed(processes_->Scan());
  // Before anything is committed: with fewer workloads than there are the first commit would take away what the kernel has of the others.
  containers_->Await(kLongestFirstLook);
  while (containers_->has_changes()) FeedContainers();
  for (auto& change : workloads_->Scan()) core_->Feed(std::move(change));
  core_->LookAtHost();
  ReadPolicyFile([](const agent::ApplyResult*) {});
  OnRoundEnd();
  if (auto ended = loop_.Run(); !ended) {
    Complain(ended.error().message);
    return kFailed;
  }
  server_->Process();
  Info("stopped");
  return kDone;
}

void Daemon::Stop() {
  if (std::exchange(stopping_, true)) return loop_.Stop();  // asked twice: without waiting
  if (setup_.config.node.on_stop == policy::OnStop::kKeep) {
    NotifySystemd("STOPPING=1\nSTATUS=the data path stays as it is until its leases run out");
    return loop_.Stop();
  }
  NotifySystemd("STOPPING=1\nSTATUS=handing over the egress addresses");
  core_->Leave(kLongestHandover, [this] { loop_.Stop(); });
}

void Daemon::ReadPolicyFile(std::function<void(const agent::ApplyResult*)> read) {
  const auto done = [this, read = std::move(read)](const agent::ApplyResult* result) {
    last_reload_.successful = !policy_file_trouble_;
    if (last_reload_.successful) last_reload_.succeeded_at = WallSeconds();
    read(result);
  };
  const std::string path = setup_.config.policy_file;
  auto text = path.empty() ? Fail(ErrorKind::kNotFound, "") : control::ReadFile(path);
  if (!text) {
    policy_file_trouble_.reset();
    if (text.error().kind != ErrorKind::kNotFound) {
      policy_file_trouble_ = {
          .code = "E152", .error = true, .object = path, .text = text.error().message, .hint = "make it readable for the daemon's user"};
      Complain("policy_file: " + text.error().message);
    }
    return done(nullptr);
  }
  core_->Apply(*text, "policy_file", true, [this, path, text = *text, done](const agent::ApplyResult& result) {
    policy_file_trouble_.reset();
    agent::ApplyResult located = result;
    PointInto(located.findings, text, path);
    const bool invalid = policy::HasErrors(located.findings);
    if (invalid || located.error) {
      const std::string what = invalid ? ToString(located.findings, text) : located.error->message;
      Complain("policy_file was not applied:\n" + what);
      const auto& first = located.findings;
      policy_file_trouble_ = {
          .code = "E153",
          .error = true,
          .object = path,
          .text = invalid ? std::format("line {}: {}", first.front().line, first.front().message) : located.error->message,
          .hint = "the former policy stays in force; egressctl validate -f " + path};
    }
    done(&located);
  });
}

void Daemon::Reload(const std::shared_ptr<control::Call>& call) {
  NotifyReloading();
  Info("reloading");
  std::vector<std::string> notes;
  node_file_trouble_.reset();
  auto fresh = ReadSetup(setup_.options);
  if (!fresh) {
    Complain("node file: " + ToString(fresh.error()));
    last_reload_.successful = false;
    node_file_trouble_ = {.code = "E154",
                          .error = true,
                          .object = setup_.options.config,
                          .text = fresh.error().findings.empty() ? fresh.error().message : fresh.error().findings.front().message,
                          .hint = "the daemon runs on with what it read before; egressctl validate --node -f " + setup_.options.config};
    if (call && !fresh.error().findings.empty()) {
      call->Fail(control::kInvalid, Json::Object{{"findings", ToJsonList(fresh.error().findings)}});
    } else if (call) {
      call->Fail(control::kRefused, Json::Object{{"message", fresh.error().message}});
    }
    NotifySystemd("READY=1\nSTATUS=the node file is invalid: running with the former one");
    return;
  }
  // A key file that says what the cluster agreed on meanwhile is no change.
  const bool other_keys = fresh->keys != setup_.keys && fresh->keys != core_->agent().keys();
  if (fresh->config != setup_.config || other_keys) {
    notes.emplace_back("the node file or the key changed: restart egressd for it to take effect");
    node_file_trouble_ = {.code = "W155", .object = setup_.options.config, .text = notes.back(), .hint = "systemctl restart egressd"};
    Warn(notes.back());
  }
  core_->LookAtHost();
  for (auto& change : workloads_->Scan()) core_->Feed(std::move(change));
  core_->Feed(processes_->Scan());
  ReadPolicyFile([this, call, notes](const agent::ApplyResult* result) {
    NotifySystemd("READY=1\nSTATUS=reloaded");
    if (!call) return;
    if (result != nullptr && policy::HasErrors(result->findings)) {
      return call->Fail(control::kInvalid, Json::Object{{"findings", ToJsonList(result->findings)}});
    }
    if (result != nullptr && result->error) return call->Fail(control::kRefused, Json::Object{{"message", result->error->message}});
    call->Reply(Json::Object{{"generation", core_->agent().status().generation}, {"notes", Json::List(notes)}});
  });
}

std::vector<agent::Health> Daemon::health() const {
  auto out = workloads_->health();
  std::ranges::move(containers_->health(), std::back_inserter(out));
  std::ranges::move(core_->health(), std::back_inserter(out));
  if (metrics_ && metrics_->trouble()) out.push_back(*metrics_->trouble());
  if (policy_file_trouble_) out.push_back(*policy_file_trouble_);
  if (node_file_trouble_) out.push_back(*node_file_trouble_);
  if (const auto& error = core_->keys_not_stored()) {
    out.push_back({.code = "E156", .error = true, .object = "keys", .text = "the key ring is not stored: " + error->message,
                   .hint = "egressctl keys export > " + setup_.config.cluster.key_file + " before the next restart"});
  }
  if (auto outdated = OutdatedKeyFile()) out.push_back(std::move(*outdated));
  return out;
}

DaemonFacts Daemon::Facts() const {
  return {.health = health(),
          .providers = containers_->providers(),
          .events = journal_.counts(),
          .conflicts = journal_.conflicts(),
          .reload = last_reload_,
          .http = metrics_ ? metrics_->counts() : net::HttpCounts{},
          .started_at = started_at_,
          .ready = NotReady().empty()};
}

std::string Daemon::NotReady() const {
  if (stopping_) return "it stops";
  if (!core_->agent().synced()) return "not synced with the cluster yet";
  if (!core_->has_committed()) return "the kernel has nothing of it yet";
  const Datapath datapath = core_->datapath();
  if (datapath.trouble) return "the kernel refuses: " + datapath.trouble->message;
  return datapath.in_sync ? "" : "what somebody else changed in the kernel is being put back";
}

KeyFile Daemon::LookAtKeyFile() const {
  const std::vector<gossip::Key> ring = core_->agent().keys();
  const auto file = ReadKeys(setup_.config);
  return {.path = KeyPath(setup_.config), .has_first = file && !ring.empty() && std::ranges::contains(*file, ring.front())};
}

// The stored ring is all that this node has of a key that is not in its file: who loses the state directory is cut off.
std::optional<agent::Health> Daemon::OutdatedKeyFile() const {
  const KeyFile file = LookAtKeyFile();
  if (file.has_first || core_->agent().keys().empty()) return std::nullopt;
  const bool credential = file.path != setup_.config.cluster.key_file;
  return agent::Health{.code = "W157",
                       .object = file.path,
                       .text = "the key that seals is not in the key file: without the state directory this node would be cut off",
                       .hint = "egressctl keys export > " + setup_.config.cluster.key_file +
                               (credential ? ", or where the credential comes from; this goes away with the next start" : "")};
}

}  // namespace egressd::daemon
