#include "kernel/remap_filter.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "egressd/base/error.h"
#include "egressd/base/ids.h"

namespace egressd::kernel {
namespace {

constexpr std::uint32_t kFirstAttribute = sizeof(nlmsghdr) + sizeof(nfgenmsg);  // both are multiples of NLMSG_ALIGNTO
constexpr std::uint32_t kValue = sizeof(nlattr);  // behind the start of an attribute
constexpr std::uint32_t kAcceptBytes = 0xffffffff, kRefuse = 0;
// Scratch memory of the filter.
enum Slot : std::uint32_t { kOriginalProtocol, kOriginalPortType, kReplyPortType, kOriginalPort };

// Puts a program together in order; jumps go to a label that is set later.
class Program {
 public:
  using Label = std::size_t;

  Label NewLabel() {
    places_.push_back(0);
    return places_.size() - 1;
  }
  void Set(Label label) { places_[label] = code_.size(); }
  void Do(int code, std::uint32_t operand) { code_.push_back({.code = static_cast<__u16>(code), .jt = 0, .jf = 0, .k = operand}); }
  void JumpIf(int condition, std::uint32_t operand, Label to) { Jump(condition, operand, to, JumpTaken::kIfTrue); }
  void JumpUnless(int condition, std::uint32_t operand, Label to) { Jump(condition, operand, to, JumpTaken::kIfFalse); }
  // A == X
  void JumpIfSame(Label to) {
    jumps_.push_back({.at = code_.size(), .label = to, .taken = JumpTaken::kIfTrue});
    Do(BPF_JMP | BPF_JEQ | BPF_X, 0);
  }
  void JumpTo(Label to) { Jump(BPF_JA, 0, to, JumpTaken::kAlways); }

  // A = place of the attribute behind A at this level, or inside of the attribute at A; 0 where there is none.
  void FindBehind(std::uint32_t type) { FindBy(type, SKF_AD_NLATTR); }
  void FindInside(std::uint32_t type) { FindBy(type, SKF_AD_NLATTR_NEST); }
  void FindFirst(std::uint32_t type) {
    Do(BPF_LD | BPF_IMM, kFirstAttribute);
    FindBehind(type);
  }
  // A = the value of the attribute at A, `offset` bytes into it. X = A before.
  void Load(int width, std::uint32_t offset = 0) {
    Do(BPF_MISC | BPF_TAX, 0);
    Do(BPF_LD | width | BPF_IND, kValue + offset);
  }

  std::vector<sock_filter> Finish() {
    for (const auto& [at, label, taken] : jumps_) {
      const std::size_t distance = places_[label] - at - 1;
      EGRESSD_ASSERT(places_[label] > at && distance <= 255);
      if (taken == JumpTaken::kAlways) code_[at].k = static_cast<__u32>(distance);
      if (taken == JumpTaken::kIfTrue) code_[at].jt = static_cast<__u8>(distance);
      if (taken == JumpTaken::kIfFalse) code_[at].jf = static_cast<__u8>(distance);
    }
    return std::move(code_);
  }

 private:
  enum class JumpTaken : std::uint8_t { kAlways, kIfTrue, kIfFalse };
  struct Open {
    std::size_t at;
    Label label;
    JumpTaken taken;
  };
  void Jump(int condition, std::uint32_t operand, Label to, JumpTaken taken) {
    jumps_.push_back({.at = code_.size(), .label = to, .taken = taken});
    Do(BPF_JMP | condition | BPF_K, operand);
  }
  void FindBy(std::uint32_t type, int extension) {
    Do(BPF_LDX | BPF_IMM, type);
    Do(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + extension));
  }

  std::vector<sock_filter> code_;
  std::vector<std::size_t> places_;
  std::vector<Open> jumps_;
};

// Goes on where the address at A is in the network, to `refuse` where it is not.
void CheckNetwork(Program& program, const Prefix& network, Program::Label refuse) {
  const auto bytes = network.address.bytes();
  program.Do(BPF_MISC | BPF_TAX, 0);
  for (std::uint32_t word = 0; word * 32 < network.length; ++word) {
    const std::uint32_t bits = std::min<std::uint32_t>(32, network.length - word * 32);
    std::uint32_t value = 0;
    for (std::uint32_t i = 0; i < 4; ++i) value = value << 8 | bytes[word * 4 + i];
    const auto mask = static_cast<std::uint32_t>(~std::uint64_t{0} << (32 - bits));
    program.Do(BPF_LD | BPF_W | BPF_IND, kValue + word * 4);
    program.Do(BPF_ALU | BPF_AND | BPF_K, mask);
    program.JumpUnless(BPF_JEQ, value & mask, refuse);
  }
}

void CheckSource(Program& program, std::span<const Prefix> networks, Program::Label refuse) {
  const auto inside = program.NewLabel();
  for (const Prefix& network : networks) {
    const auto other_family = program.NewLabel();
    program.FindFirst(CTA_TUPLE_ORIG);
    program.JumpIf(BPF_JEQ, 0, refuse);
    program.FindInside(CTA_TUPLE_IP);
    program.JumpIf(BPF_JEQ, 0, refuse);
    program.FindInside(network.family() == Family::kIpv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC);
    program.JumpIf(BPF_JEQ, 0, other_family);
    CheckNetwork(program, network, refuse);
    program.JumpTo(inside);
    program.Set(other_family);
  }
  program.Do(BPF_RET | BPF_K, kRefuse);
  program.Set(inside);
}

// What names the source in either direction: the identifier of ICMP, else source port and destination port.
void ChoosePorts(Program& program, Program::Label refuse) {
  const auto Choose = [&](std::uint32_t original, std::uint32_t reply) {
    program.Do(BPF_LD | BPF_IMM, original);
    program.Do(BPF_ST, kOriginalPortType);
    program.Do(BPF_LD | BPF_IMM, reply);
    program.Do(BPF_ST, kReplyPortType);
  };
  program.FindFirst(CTA_TUPLE_ORIG);
  program.JumpIf(BPF_JEQ, 0, refuse);
  program.FindInside(CTA_TUPLE_PROTO);
  program.JumpIf(BPF_JEQ, 0, refuse);
  program.Do(BPF_ST, kOriginalProtocol);
  program.FindInside(CTA_PROTO_NUM);
  program.JumpIf(BPF_JEQ, 0, refuse);
  program.Load(BPF_B);
  const auto icmp = program.NewLabel(), icmpv6 = program.NewLabel(), chosen = program.NewLabel();
  program.JumpIf(BPF_JEQ, IPPROTO_ICMP, icmp);
  program.JumpIf(BPF_JEQ, IPPROTO_ICMPV6, icmpv6);
  Choose(CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT);
  program.JumpTo(chosen);
  program.Set(icmp);
  Choose(CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_ID);
  program.JumpTo(chosen);
  program.Set(icmpv6);
  Choose(CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_ID);
  program.Set(chosen);
}

// A = the port inside of the attribute at A whose type is in memory.
void LoadPort(Program& program, Slot type, Program::Label refuse) {
  program.Do(BPF_LDX | BPF_MEM, type);
  program.Do(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_NLATTR_NEST));
  program.JumpIf(BPF_JEQ, 0, refuse);
  program.Load(BPF_H);
}

}  // namespace

std::vector<sock_filter> RemapFilter(std::span<const Prefix> networks, const MarkMatch& decided) {
  Program program;
  const auto refuse = program.NewLabel();
  // Entries that somebody made through netlink, like those that are restored here, bear the number of his socket.
  program.Do(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid));
  program.JumpUnless(BPF_JEQ, 0, refuse);

  program.FindFirst(CTA_MARK);
  program.JumpIf(BPF_JEQ, 0, refuse);
  program.Load(BPF_W);
  program.JumpIf(BPF_JEQ, decided.value | kDirectMark, refuse);
  program.Do(BPF_ALU | BPF_AND | BPF_K, decided.mask);
  program.JumpUnless(BPF_JEQ, decided.value, refuse);

  CheckSource(program, networks, refuse);

  ChoosePorts(program, refuse);
  program.Do(BPF_LD | BPF_MEM, kOriginalProtocol);
  LoadPort(program, kOriginalPortType, refuse);
  program.Do(BPF_ST, kOriginalPort);
  program.FindFirst(CTA_TUPLE_REPLY);
  program.JumpIf(BPF_JEQ, 0, refuse);
  program.FindInside(CTA_TUPLE_PROTO);
  program.JumpIf(BPF_JEQ, 0, refuse);
  LoadPort(program, kReplyPortType, refuse);
  program.Do(BPF_LDX | BPF_MEM, kOriginalPort);
  program.JumpIfSame(refuse);
  program.Do(BPF_RET | BPF_K, kAcceptBytes);
  program.Set(refuse);
  program.Do(BPF_RET | BPF_K, kRefuse);
  return program.Finish();
}

}  // namespace egressd::kernel
