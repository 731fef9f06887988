// What the nftables tests share: a network namespace of their own, states to commit, and a stranger who
// changes nftables too.
#pragma once

#include <arpa/inet.h>  // before linux/netfilter.h, which has the same names
#include <doctest/doctest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/fd.h"
#include "egressd/kernel/conntrack.h"
#include "egressd/state/transaction.h"
#include "kernel/nft.h"
#include "kernel/nft_attributes.h"

namespace egressd::kernel::test {

using namespace egressd::state;

// Moves this thread into a fresh network namespace with `lo` up; the one before it goes away unless something
// holds it.
inline void EnterFreshNamespace() {
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  REQUIRE(::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
}

inline Nft OpenNft() {
  auto nft = Nft::Open();
  REQUIRE_MESSAGE(nft.has_value(), nft.error().message);
  return std::move(*nft);
}

inline State Observe(Nft& nft) {
  State observed;
  const auto done = nft.Observe(observed);
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
  return observed;
}

// Observe, difference, commit.
inline Result<void> Reach(Nft& nft, const State& desired) {
  const auto observed = Observe(nft);
  return nft.Commit(Diff(observed, desired).cut_over);
}

inline void CheckReaches(Nft& nft, const State& desired) {
  const auto done = Reach(nft, desired);
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
  const auto left = Diff(Observe(nft), desired);
  CHECK_MESSAGE(left.empty(), ToString(left));
}

inline NftName Name(std::string name) { return {.family = NftFamily::kInet, .name = std::move(name)}; }
inline State WithTable() {
  State state;
  Put(state.tables, NftTable{.key = {.family = NftFamily::kInet, .name = "egressd"}});
  return state;
}
inline NftBytes Ip(const char* text) { return NftBytes::Of(IpAddress::Parse(text).value()); }

inline void AddSet(State& state, const char* name, NftSet::Type type,
                   NftSet::Type value = NftSet::Type::kNothing) {
  Put(state.sets, NftSet{.key = Name(name), .type = type, .value = value});
}
inline void AddIntervalSet(State& state, const char* name, NftSet::Type type,
                           NftSet::Type value = NftSet::Type::kNothing) {
  Put(state.sets, NftSet{.key = Name(name), .type = type, .value = value, .intervals = true});
}
inline void AddRange(State& state, const char* set, NftBytes first, NftBytes last,
                     decltype(NftElement::value) value = {}) {
  Put(state.elements,
      NftElement{.key = {.set = Name(set), .first = first, .last = last}, .value = std::move(value)});
}
inline void AddElement(State& state, const char* set, NftBytes key, decltype(NftElement::value) value = {}) {
  AddRange(state, set, key, key, std::move(value));
}
inline NftRule Rule(std::string text, std::vector<NftExpression> expressions) {
  return Seal(NftRule{.text = std::move(text), .expressions = std::move(expressions)});
}
inline void AddChain(State& state, const char* name, std::vector<NftRule> rules) {
  Put(state.chains, NftChain{.key = Name(name), .rules = std::move(rules)});
}
inline void AddBaseChain(State& state, const char* name, NftHook hook, std::vector<NftRule> rules) {
  Put(state.chains, NftChain{.key = Name(name), .hook = hook, .rules = std::move(rules)});
}

// Somebody else with a netlink socket: writes single messages, each in a batch of its own, without checking
// any generation.
class Stranger {
 public:
  Stranger() : socket_(mnl_socket_open(NETLINK_NETFILTER)) {
    REQUIRE(socket_ != nullptr);
    REQUIRE(mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) == 0);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() { mnl_socket_close(socket_); }

  void MakeTable(const char* name, int family = NFPROTO_INET) {
    Send(NFT_MSG_NEWTABLE, NLM_F_CREATE, family,
         [&](nlmsghdr* message) { mnl_attr_put_strz(message, NFTA_TABLE_NAME, name); });
  }
  void SetTableFlags(const char* name, std::uint32_t flags) {
    Send(NFT_MSG_NEWTABLE, 0, NFPROTO_INET, [&](nlmsghdr* message) {
      mnl_attr_put_strz(message, NFTA_TABLE_NAME, name);
      mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(flags));
    });
  }
  void RemoveTable(const char* name, int family) {
    Send(NFT_MSG_DELTABLE, 0, family,
         [&](nlmsghdr* message) { mnl_attr_put_strz(message, NFTA_TABLE_NAME, name); });
  }
  // `nft flush ruleset`
  void FlushRuleset() {
    Send(NFT_MSG_DELTABLE, 0, NFPROTO_UNSPEC, [](nlmsghdr*) {});
  }
  // A rule without expressions or comment.
  void AppendRule(const char* table, const char* chain, int family = NFPROTO_INET) {
    Send(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, [&](nlmsghdr* message) {
      mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
      mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
      mnl_attr_nest_end(message, mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS));
    });
  }
  void MakeChain(const char* table, const char* chain) {
    Send(NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET, [&](nlmsghdr* message) {
      mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
      mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain);
    });
  }
  void SetPolicyDrop(const char* table, const char* chain) {
    Send(NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET, [&](nlmsghdr* message) {
      mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
      mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain);
      mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_DROP));
    });
  }
  void MakeSet(const char* table, const char* set, std::uint32_t key_type, std::uint32_t key_bytes) {
    Send(NFT_MSG_NEWSET, NLM_F_CREATE, NFPROTO_INET, [&](nlmsghdr* message) {
      mnl_attr_put_strz(message, NFTA_SET_TABLE, table);
      mnl_attr_put_strz(message, NFTA_SET_NAME, set);
      mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(key_type));
      mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(key_bytes));
      mnl_attr_put_u32(message, NFTA_SET_ID, htonl(1));
    });
  }
  bool HasTable(const char* name, int family = NFPROTO_INET) {
    bool found = false;
    alignas(8) std::array<char, 8192> bytes{};
    Header(bytes.data(), NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, family, 0);
    REQUIRE(mnl_socket_sendto(socket_, bytes.data(), reinterpret_cast<nlmsghdr*>(bytes.data())->nlmsg_len) >
            0);
    for (;;) {
      const auto size = mnl_socket_recvfrom(socket_, bytes.data(), bytes.size());
      REQUIRE(size > 0);
      auto left = static_cast<int>(size);
      for (auto* message = reinterpret_cast<nlmsghdr*>(bytes.data()); mnl_nlmsg_ok(message, left);
           message = mnl_nlmsg_next(message, &left)) {
        if (message->nlmsg_type == NLMSG_DONE) return found;
        if (Attributes::OfMessage(message).Text(NFTA_TABLE_NAME) == name) found = true;
      }
    }
  }

 private:
  static nlmsghdr* Header(char* bytes, int type, int flags, int family, int resource) {
    auto* message = mnl_nlmsg_put_header(bytes);
    message->nlmsg_type = static_cast<std::uint16_t>(type);
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    header->nfgen_family = static_cast<std::uint8_t>(family);
    header->res_id = htons(static_cast<std::uint16_t>(resource));
    return message;
  }

  template <typename F>
  void Send(int type, int flags, int family, F&& fill) {
    alignas(8) std::array<char, 4096> bytes{};
    std::size_t size =
        Header(bytes.data(), NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len;
    auto* message =
        Header(bytes.data() + size, NFNL_SUBSYS_NFTABLES << 8 | type, flags | NLM_F_ACK, family, 0);
    fill(message);
    size += message->nlmsg_len;
    size += Header(bytes.data() + size, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len;
    REQUIRE(mnl_socket_sendto(socket_, bytes.data(), size) == static_cast<ssize_t>(size));
    const auto received = mnl_socket_recvfrom(socket_, bytes.data(), bytes.size());
    REQUIRE(received >= static_cast<ssize_t>(NLMSG_HDRLEN + sizeof(nlmsgerr)));
    const auto* answer =
        static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(reinterpret_cast<const nlmsghdr*>(bytes.data())));
    REQUIRE(answer->error == 0);
  }

  mnl_socket* socket_;
};

// The connection tracking of the namespace that the test is in now.
inline Conntrack& ConntrackHere() {
  static std::optional<Conntrack> conntrack;
  return conntrack.emplace(Conntrack::Open().value());
}

}  // namespace egressd::kernel::test
