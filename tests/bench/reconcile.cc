// A part of bench/reconcile: the same elements into an empty kernel, three ways in turn.
//
//   reconcile WORKLOADS ROUNDS POLICIES       as root; prints one line of JSON
//
//   egressd   the plan of a policy set with so many workloads, through Kernel::Reconcile: looks at what is there, puts everything there
//   raw       table, map and elements alone, encoded with libmnl's own functions from an array, in one transaction: the floor
//   nft       the file of the same map, through `nft -f`
// and for one workload more `nft add element` into a map of that size: exact, and with `flags interval`, of which nft reads all first.
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <format>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/kernel/kernel.h"
#include "egressd/plan/plan.h"
#include "support/sandbox.h"
#include "support/temporary_directory.h"

namespace {

constexpr std::size_t kMore = 20;  // workloads more, each time
constexpr std::size_t kMostIntervals = 200'000;  // nft takes minutes for more

using namespace egressd;
using Clock = std::chrono::steady_clock;

struct Workload {
  std::uint32_t address;  // in network order
  std::uint32_t mark;
};

[[noreturn]] void Die(const std::string& text) {
  std::fprintf(stderr, "reconcile: %s\n", text.c_str());
  std::exit(1);
}
double Milliseconds(Clock::time_point since) { return std::chrono::duration<double, std::milli>(Clock::now() - since).count(); }
double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}
IpAddress AddressOf(std::size_t number) {
  return IpAddress::Parse(std::format("10.{}.{}.{}", 64 + number / 65536, number / 256 % 256, number % 256)).value();
}

// ---- egressd ----
struct World {
  World(std::size_t workloads, std::size_t policies) {
    config.node.name = "n1";
    set.pools["pool"] = {.name = "pool", .ipv4 = {AddressRange::Parse("203.0.113.100-203.0.113.199").value()}};
    set.gateways["edge"] = {.name = "edge", .is_default = true, .nodes = {.names = {"n2"}}, .pools = {"pool"}};
    for (std::size_t i = 0; i < policies; ++i) {
      policy::Selector selector;
      selector.labels = {{.key = "app", .values = {std::format("p{}", i)}}};
      const std::string name = std::format("p{}", i);
      set.policies[name] = {.name = name, .from = {selector}, .egress_ip = {.kind = policy::EgressIpChoice::Kind::kDefault}};
    }
    for (std::size_t i = 0; i < workloads; ++i) {
      const std::string name = std::format("w{}", i);
      set.workloads[name] = {.name = name, .addresses = {AddressOf(i)}, .labels = {{"app", std::format("p{}", i % policies)}}};
    }
    bindings = policy::Bind(set, {}).value().bindings;
    selection.emplace(set, config.node.name);
    inputs = {.config = &config, .selection = &*selection, .bindings = &bindings, .host = &host,
              .underlay = IpAddress::Parse("192.0.2.1").value()};
    inputs.self = plan::IdentityOf(1, config.tunnel);
    for (const policy::Binding& binding : bindings) inputs.carriers[binding.id] = {};
    desired = plan::Build(inputs);
  }

  // From a workload that a provider reports to the kernel, without reading its file.
  double OneMore(std::size_t number, kernel::Kernel& kernel) {
    const auto began = Clock::now();
    const std::string name = std::format("more{}", number);
    const IpAddress address = AddressOf((std::size_t{250} - 64) * 65536 + number);
    const policy::Workload workload{.name = name, .addresses = {address}, .labels = {{"app", "p0"}}};
    state::Touched touched{std::in_place};
    if (!plan::UpdateSources(inputs, selection->SetWorkloads(name, {workload}), desired, touched)) Die("one more takes the long way");
    const auto done = kernel.Reconcile(desired, touched);
    const double took = Milliseconds(began);
    if (!done || done->size() != 1) Die("one more is not one change");
    return took;
  }

  policy::NodeConfig config;
  policy::PolicySet set;
  std::vector<policy::Binding> bindings;
  state::Host host;
  std::optional<policy::Selection> selection;
  plan::Inputs inputs;
  state::State desired;
};

// The elements of the largest map of the plan.
std::vector<Workload> WorkloadsOf(const state::State& desired) {
  std::vector<Workload> workloads;
  for (const auto& [key, element] : desired.elements) {
    const auto* value = std::get_if<state::NftBytes>(&element.value);
    if (key.set.name != "src4" || value == nullptr) continue;
    Workload one{.address = 0, .mark = value->as_mark()};
    std::memcpy(&one.address, key.first.bytes().data(), sizeof(one.address));
    workloads.push_back(one);
  }
  return workloads;
}

// ---- libmnl alone ----
class RawBatch {
 public:
  explicit RawBatch(std::size_t workloads) : bytes_((std::size_t{1} << 20) + workloads * 64) {}

  void Encode(const std::vector<Workload>& workloads) {
    Message(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, htons(NFNL_SUBSYS_NFTABLES));
    nlmsghdr* message = Message(kNft | NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_INET, 0);
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, "raw");
    Close(message);
    message = Message(kNft | NFT_MSG_NEWSET, NLM_F_CREATE, NFPROTO_INET, 0);
    mnl_attr_put_strz(message, NFTA_SET_TABLE, "raw");
    mnl_attr_put_strz(message, NFTA_SET_NAME, "workloads");
    mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(NFT_SET_MAP));
    mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(7));    // ipv4_addr
    mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(4));
    mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(19));  // mark
    mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(4));
    mnl_attr_put_u32(message, NFTA_SET_ID, htonl(1));
    Close(message);
    for (std::size_t i = 0; i < workloads.size();) {
      message = Message(kNft | NFT_MSG_NEWSETELEM, NLM_F_CREATE, NFPROTO_INET, 0);
      mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, "raw");
      mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, "workloads");
      mnl_attr_put_u32(message, NFTA_SET_ELEM_LIST_SET_ID, htonl(1));
      nlattr* list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
      for (std::size_t n = 0; n < kElements && i < workloads.size(); ++n, ++i) {
        nlattr* element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
        nlattr* key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
        mnl_attr_put(message, NFTA_DATA_VALUE, 4, &workloads[i].address);
        mnl_attr_nest_end(message, key);
        nlattr* data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
        mnl_attr_put(message, NFTA_DATA_VALUE, 4, &workloads[i].mark);
        mnl_attr_nest_end(message, data);
        mnl_attr_nest_end(message, element);
      }
      mnl_attr_nest_end(message, list);
      Close(message);
    }
    message = Message(NFNL_MSG_BATCH_END, NLM_F_ACK, AF_UNSPEC, htons(NFNL_SUBSYS_NFTABLES));
    Close(message);
  }

  void Send() {
    mnl_socket* socket = mnl_socket_open(NETLINK_NETFILTER);
    if (socket == nullptr || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) Die("netlink socket");
    const int buffer = static_cast<int>(used_ * 2);
    (void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
    if (mnl_socket_sendto(socket, bytes_.data(), used_) < 0) Die(std::format("send: {}", std::strerror(errno)));
    std::vector<char> answer(1 << 16);
    const ssize_t got = mnl_socket_recvfrom(socket, answer.data(), answer.size());
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr)) || header->nlmsg_type != NLMSG_ERROR) Die("no acknowledgement");
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
    if (error->error != 0) Die(std::format("refused: {}", std::strerror(-error->error)));
    mnl_socket_close(socket);
  }

 private:
  static constexpr std::uint16_t kNft = NFNL_SUBSYS_NFTABLES << 8;
  static constexpr std::size_t kElements = 1800;  // 32 bytes of attributes each; a list has at most 64 KiB

  nlmsghdr* Message(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint16_t resource) {
    nlmsghdr* message = mnl_nlmsg_put_header(bytes_.data() + used_);
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++sequence_;
    auto* extra = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    *extra = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = resource};
    if (resource != 0) Close(message);
    return message;
  }
  void Close(nlmsghdr* message) { used_ = static_cast<std::size_t>(reinterpret_cast<char*>(message) - bytes_.data()) + message->nlmsg_len; }

  std::vector<char> bytes_;
  std::size_t used_ = 0;
  std::uint32_t sequence_ = 0;
};

// ---- nft ----
void Nft(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "nft");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, "nft", nullptr, nullptr, pointers.data(), environ) != 0) Die("nft is not there");
  if (waitpid(child, &status, 0) != child || status != 0) Die("nft failed");
}
std::string Text(const Workload& workload) {
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &workload.address, text, sizeof(text));
  return std::format("{} : {:#x}", text, workload.mark);
}
void WriteNft(const std::string& path, const std::vector<Workload>& workloads, std::string_view flags) {
  std::ofstream out(path);
  out << "table inet raw {\n map workloads { type ipv4_addr : mark; " << flags << "elements = {\n";
  for (const Workload& workload : workloads) out << Text(workload) << ",\n";
  out << "} }\n}\n";
  if (!out.flush()) Die("cannot write " + path);
}
double NftAdd(std::size_t round) {
  const auto began = Clock::now();
  Nft({"add", "element", "inet", "raw", "workloads", std::format("{{ 10.250.{}.1 : 1 }}", round)});
  return Milliseconds(began);
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) Die("WORKLOADS ROUNDS POLICIES");
  const std::size_t workloads = std::strtoull(words[1], nullptr, 10), rounds = std::strtoull(words[2], nullptr, 10);
  World world(workloads, std::strtoull(words[3], nullptr, 10));
  const std::vector<Workload> elements = WorkloadsOf(world.desired);
  if (elements.size() != workloads) Die(std::format("{} elements for {} workloads", elements.size(), workloads));
  const test::TemporaryDirectory directory;
  const std::string exact = directory.path() / "exact.nft", intervals = directory.path() / "intervals.nft";
  WriteNft(exact, elements, "");
  WriteNft(intervals, elements, "flags interval; ");

  std::vector<double> egressd, more, raw, nft, add, add_to_intervals;
  for (std::size_t round = 0; round < rounds; ++round) {
    {
      const test::Sandbox sandbox;
      auto kernel = kernel::Kernel::Open({.state_directory = directory.path().string()}).value();
      const auto began = Clock::now();
      const auto done = kernel.Reconcile(world.desired);
      egressd.push_back(Milliseconds(began));
      if (!done) Die(done.error().message);
      if (const auto again = kernel.Reconcile(world.desired); !again || !again->empty()) Die("the kernel did not take everything");
      for (std::size_t number = 0; number < kMore; ++number) more.push_back(world.OneMore(round * kMore + number, kernel));
    }
    {
      const test::Sandbox sandbox;
      const auto began = Clock::now();
      RawBatch batch(workloads);
      batch.Encode(elements);
      batch.Send();
      raw.push_back(Milliseconds(began));
    }
    {
      const test::Sandbox sandbox;
      const auto began = Clock::now();
      Nft({"-f", exact});
      nft.push_back(Milliseconds(began));
      add.push_back(NftAdd(round));
    }
    if (workloads <= kMostIntervals) {
      const test::Sandbox sandbox;
      Nft({"-f", intervals});
      add_to_intervals.push_back(NftAdd(round));
    }
  }
  std::puts(std::format(R"({{"workloads": {}, "egressd_ms": {:.3f}, "more_ms": {:.3f}, "raw_ms": {:.3f}, "nft_ms": {:.3f}, )"
                        R"("nft_add_ms": {:.3f}, "nft_add_to_intervals_ms": {:.3f}}})",
                        workloads, Median(egressd), Median(more), Median(raw), Median(nft), Median(add), Median(add_to_intervals))
                .c_str());
  return 0;
}
