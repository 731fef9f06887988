#include "rtnl_outsider.h"

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <set>

#include "egressd/base/error.h"

namespace egressd::test {
namespace {

using Buffer = std::array<char, 8192>;

nlmsghdr* Start(Buffer& buffer, std::uint16_t type, std::uint16_t flags) {
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  return header;
}

template <typename Header>
Header* Extra(nlmsghdr* header) {
  return static_cast<Header*>(mnl_nlmsg_put_extra_header(header, sizeof(Header)));
}

int Index(const std::string& device) { return static_cast<int>(::if_nametoindex(device.c_str())); }

unsigned char FamilyOf(const IpAddress& address) { return address.family() == Family::kIpv4 ? AF_INET : AF_INET6; }

void Put(nlmsghdr* header, std::uint16_t type, const IpAddress& address) {
  mnl_attr_put(header, type, address.bytes().size(), address.bytes().data());
}

// Host bits may be set.
Prefix Parse(const std::string& text) {
  const auto slash = text.find('/');
  const IpAddress address = IpAddress::Parse(text.substr(0, slash)).value();
  return {.address = address, .length = static_cast<std::uint8_t>(std::stoi(text.substr(slash + 1)))};
}

}  // namespace

Outsider::Outsider() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) { EGRESSD_ASSERT(fd_.is_open()); }

int Outsider::Talk(void* message) {
  auto* header = static_cast<nlmsghdr*>(message);
  header->nlmsg_seq = ++sequence_;
  EGRESSD_ASSERT(::send(fd_.get(), header, header->nlmsg_len, 0) >= 0);
  alignas(nlmsghdr) std::array<char, 16384> answer{};
  for (;;) {
    const ssize_t received = ::recv(fd_.get(), answer.data(), answer.size(), 0);
    EGRESSD_ASSERT(received >= 0);
    const auto* reply = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (reply->nlmsg_seq == sequence_ && reply->nlmsg_type == NLMSG_ERROR) {
      return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(reply))->error;
    }
  }
}

int Outsider::MakeVeth(const std::string& name, const std::string& peer) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  Extra<ifinfomsg>(header);
  mnl_attr_put_strz(header, IFLA_IFNAME, name.c_str());
  nlattr* described = mnl_attr_nest_start(header, IFLA_LINKINFO);
  mnl_attr_put_strz(header, IFLA_INFO_KIND, "veth");
  nlattr* data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
  nlattr* other = mnl_attr_nest_start(header, VETH_INFO_PEER);
  Extra<ifinfomsg>(header);
  mnl_attr_put_strz(header, IFLA_IFNAME, peer.c_str());
  mnl_attr_nest_end(header, other);
  mnl_attr_nest_end(header, data);
  mnl_attr_nest_end(header, described);
  return Talk(header);
}

int Outsider::MakeBridge(const std::string& name) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  Extra<ifinfomsg>(header);
  mnl_attr_put_strz(header, IFLA_IFNAME, name.c_str());
  nlattr* described = mnl_attr_nest_start(header, IFLA_LINKINFO);
  mnl_attr_put_strz(header, IFLA_INFO_KIND, "bridge");
  mnl_attr_nest_end(header, described);
  return Talk(header);
}

int Outsider::MakeVxlan(const std::string& name, std::uint32_t vni) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  Extra<ifinfomsg>(header);
  mnl_attr_put_strz(header, IFLA_IFNAME, name.c_str());
  nlattr* described = mnl_attr_nest_start(header, IFLA_LINKINFO);
  mnl_attr_put_strz(header, IFLA_INFO_KIND, "vxlan");
  nlattr* data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
  mnl_attr_put_u32(header, IFLA_VXLAN_ID, vni);
  mnl_attr_put_u8(header, IFLA_VXLAN_LEARNING, 0);
  mnl_attr_put(header, IFLA_VXLAN_GBP, 0, nullptr);
  mnl_attr_nest_end(header, data);
  mnl_attr_nest_end(header, described);
  return Talk(header);
}

int Outsider::RemoveLink(const std::string& name) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_DELLINK, 0);
  Extra<ifinfomsg>(header)->ifi_index = Index(name);
  return Talk(header);
}

int Outsider::ChangeFlags(const std::string& name, unsigned flags) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWLINK, 0);
  auto* link = Extra<ifinfomsg>(header);
  link->ifi_index = Index(name);
  link->ifi_flags = flags;
  link->ifi_change = IFF_UP;
  return Talk(header);
}

int Outsider::SetUp(const std::string& name) { return ChangeFlags(name, IFF_UP); }
int Outsider::SetDown(const std::string& name) { return ChangeFlags(name, 0); }

int Outsider::SetMtu(const std::string& name, std::uint32_t mtu_bytes) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWLINK, 0);
  Extra<ifinfomsg>(header)->ifi_index = Index(name);
  mnl_attr_put_u32(header, IFLA_MTU, mtu_bytes);
  return Talk(header);
}

int Outsider::Address(std::uint16_t type, std::uint16_t flags, const std::string& device, const std::string& prefix) {
  const Prefix parsed = Parse(prefix);
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, type, flags);
  auto* address = Extra<ifaddrmsg>(header);
  address->ifa_family = FamilyOf(parsed.address);
  address->ifa_prefixlen = parsed.length;
  address->ifa_index = static_cast<unsigned>(Index(device));
  Put(header, IFA_LOCAL, parsed.address);
  Put(header, IFA_ADDRESS, parsed.address);
  mnl_attr_put_u32(header, IFA_FLAGS, IFA_F_NODAD);
  return Talk(header);
}

int Outsider::AddAddress(const std::string& device, const std::string& prefix) {
  return Address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, device, prefix);
}
int Outsider::RemoveAddress(const std::string& device, const std::string& prefix) { return Address(RTM_DELADDR, 0, device, prefix); }

int Outsider::AddRoute(std::uint32_t table, const std::string& prefix, const std::string& device, const std::string& next_hop) {
  const Prefix parsed = Parse(prefix);
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  auto* route = Extra<rtmsg>(header);
  route->rtm_family = FamilyOf(parsed.address);
  route->rtm_dst_len = parsed.length;
  route->rtm_protocol = RTPROT_STATIC;
  route->rtm_type = RTN_UNICAST;
  route->rtm_scope = next_hop.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  if (parsed.length != 0) Put(header, RTA_DST, parsed.address);
  mnl_attr_put_u32(header, RTA_TABLE, table);
  mnl_attr_put_u32(header, RTA_OIF, static_cast<std::uint32_t>(Index(device)));
  if (!next_hop.empty()) Put(header, RTA_GATEWAY, IpAddress::Parse(next_hop).value());
  return Talk(header);
}

int Outsider::RemoveRoute(std::uint32_t table, const std::string& prefix) {
  const Prefix parsed = Parse(prefix);
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_DELROUTE, 0);
  auto* route = Extra<rtmsg>(header);
  route->rtm_family = FamilyOf(parsed.address);
  route->rtm_dst_len = parsed.length;
  route->rtm_scope = RT_SCOPE_NOWHERE;
  if (parsed.length != 0) Put(header, RTA_DST, parsed.address);
  mnl_attr_put_u32(header, RTA_TABLE, table);
  return Talk(header);
}

int Outsider::AddRule(Family family, std::uint32_t priority, std::uint32_t mark, std::uint32_t table) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  auto* rule = Extra<fib_rule_hdr>(header);
  rule->family = family == Family::kIpv4 ? AF_INET : AF_INET6;
  rule->action = FR_ACT_TO_TBL;
  mnl_attr_put_u32(header, FRA_PRIORITY, priority);
  mnl_attr_put_u32(header, FRA_FWMARK, mark);
  mnl_attr_put_u32(header, FRA_TABLE, table);
  return Talk(header);
}

int Outsider::RemoveRule(Family family, std::uint32_t priority) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_DELRULE, 0);
  Extra<fib_rule_hdr>(header)->family = family == Family::kIpv4 ? AF_INET : AF_INET6;
  mnl_attr_put_u32(header, FRA_PRIORITY, priority);
  return Talk(header);
}

int Outsider::AddNeighbour(const std::string& device, const std::string& address, const std::string& mac) {
  const IpAddress parsed = IpAddress::Parse(address).value();
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  auto* neighbour = Extra<ndmsg>(header);
  neighbour->ndm_family = FamilyOf(parsed);
  neighbour->ndm_ifindex = Index(device);
  neighbour->ndm_state = NUD_PERMANENT;
  Put(header, NDA_DST, parsed);
  const MacAddress hardware = MacAddress::Parse(mac).value();
  mnl_attr_put(header, NDA_LLADDR, hardware.bytes.size(), hardware.bytes.data());
  return Talk(header);
}

int Outsider::RemoveNeighbour(const std::string& device, const std::string& address) {
  const IpAddress parsed = IpAddress::Parse(address).value();
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_DELNEIGH, 0);
  auto* neighbour = Extra<ndmsg>(header);
  neighbour->ndm_family = FamilyOf(parsed);
  neighbour->ndm_ifindex = Index(device);
  Put(header, NDA_DST, parsed);
  return Talk(header);
}

int Outsider::RemoveFdbEntry(const std::string& device, const std::string& mac) {
  Buffer buffer{};
  nlmsghdr* header = Start(buffer, RTM_DELNEIGH, 0);
  auto* entry = Extra<ndmsg>(header);
  entry->ndm_family = AF_BRIDGE;
  entry->ndm_ifindex = Index(device);
  entry->ndm_flags = NTF_SELF;
  const MacAddress parsed = MacAddress::Parse(mac).value();
  mnl_attr_put(header, NDA_LLADDR, parsed.bytes.size(), parsed.bytes.data());
  return Talk(header);
}

namespace {

struct Listing {
  std::uint16_t request;
  std::uint16_t answer;
  unsigned char family;
  std::size_t header_bytes;
  std::set<int> ignored;  // attributes that change by themselves
};

const std::vector<Listing> kListings = {
    {RTM_GETLINK, RTM_NEWLINK, AF_UNSPEC, sizeof(ifinfomsg), {IFLA_STATS, IFLA_STATS64, IFLA_AF_SPEC, IFLA_LINKINFO, IFLA_CARRIER_CHANGES,
      IFLA_CARRIER_UP_COUNT, IFLA_CARRIER_DOWN_COUNT}},
    {RTM_GETADDR, RTM_NEWADDR, AF_UNSPEC, sizeof(ifaddrmsg), {IFA_CACHEINFO}},
    {RTM_GETROUTE, RTM_NEWROUTE, AF_INET, sizeof(rtmsg), {RTA_CACHEINFO}},
    {RTM_GETROUTE, RTM_NEWROUTE, AF_INET6, sizeof(rtmsg), {RTA_CACHEINFO}},
    {RTM_GETRULE, RTM_NEWRULE, AF_INET, sizeof(fib_rule_hdr), {}},
    {RTM_GETRULE, RTM_NEWRULE, AF_INET6, sizeof(fib_rule_hdr), {}},
};

std::string Line(const nlmsghdr& message, const Listing& listing) {
  std::string line = std::format("{} {}", listing.request, listing.family);
  const auto* bytes = static_cast<const unsigned char*>(mnl_nlmsg_get_payload(&message));
  for (std::size_t i = 0; i < listing.header_bytes; ++i) line += std::format("{:02x}", bytes[i]);
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, listing.header_bytes));
  const auto* const end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute))); attribute = mnl_attr_next(attribute)) {
    if (listing.ignored.contains(mnl_attr_get_type(attribute))) continue;
    line += std::format(" {}:", mnl_attr_get_type(attribute));
    const auto* value = static_cast<const unsigned char*>(mnl_attr_get_payload(attribute));
    for (std::size_t i = 0; i < mnl_attr_get_payload_len(attribute); ++i) line += std::format("{:02x}", value[i]);
  }
  return line;
}

}  // namespace

bool Outsider::ComesToRest() {
  // IFLA_OPERSTATE (16) is still "unknown" or "down"; that of lo (IFLA_IFNAME 3) stays unknown.
  const auto moves = [](const std::string& line) {
    return line.starts_with("18 ") && !line.contains(" 3:6c6f00 ") && (line.contains(" 16:00 ") || line.contains(" 16:02 "));
  };
  auto before = Everything();
  for (int attempt = 0; attempt < 100; ++attempt) {
    ::usleep(100'000);
    auto now = Everything();
    if (now == before && std::ranges::none_of(now, moves)) return true;
    before = std::move(now);
  }
  return false;
}

std::vector<std::string> Outsider::Everything() {
  std::vector<std::string> lines;
  std::vector<char> answer(1 << 16);
  for (const Listing& listing : kListings) {
    Buffer buffer{};
    nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
    header->nlmsg_type = listing.request;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    header->nlmsg_seq = ++sequence_;
    *static_cast<unsigned char*>(mnl_nlmsg_put_extra_header(header, listing.header_bytes)) = listing.family;
    EGRESSD_ASSERT(::send(fd_.get(), header, header->nlmsg_len, 0) >= 0);
    for (bool done = false; !done;) {
      const ssize_t received = ::recv(fd_.get(), answer.data(), answer.size(), 0);
      EGRESSD_ASSERT(received > 0);
      int left = static_cast<int>(received);
      for (auto* reply = reinterpret_cast<nlmsghdr*>(answer.data()); mnl_nlmsg_ok(reply, left); reply = mnl_nlmsg_next(reply, &left)) {
        if (reply->nlmsg_type == NLMSG_DONE || reply->nlmsg_type == NLMSG_ERROR) done = true;
        if (reply->nlmsg_type == listing.answer) lines.push_back(Line(*reply, listing));
      }
    }
  }
  std::ranges::sort(lines);
  return lines;
}

}  // namespace egressd::test
