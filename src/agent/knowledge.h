// Everything that an Agent knows, and what it wants: the whole state of the core. Only Body (body.h) changes it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/announcer.h"
#include "agent/conflicts.h"
#include "agent/connections.h"
#include "agent/handover.h"
#include "agent/key_agreement.h"
#include "agent/leases.h"
#include "agent/networks.h"
#include "agent/parts.h"
#include "agent/slots.h"
#include "agent/stored.h"
#include "agent/takeovers.h"
#include "agent/watch.h"
#include "egressd/agent/agent.h"
#include "egressd/gossip/channel.h"
#include "egressd/gossip/membership.h"
#include "egressd/gossip/replication.h"

namespace egressd::agent {

// Where other nodes should be: join addresses and former peers; nowhere in a cluster of one.
std::set<Endpoint> ContactsOf(const Settings& settings, const std::set<Endpoint>& former_peers);

struct Knowledge {
  Knowledge(Settings the_settings, PolicyParser the_parser, const Stored& stored, Time start);

  Settings settings;
  PolicyParser parse;
  gossip::Timing timing;
  std::optional<KeyAgreement> keys;                      // unset: a cluster of one
  std::optional<gossip::Channel> channel;                // the same
  gossip::Membership membership;
  gossip::Replication replication;
  std::uint64_t sealed_incarnation = 0;
  RejectedDatagrams rejected;

  state::Host host;
  bool host_known = false;
  std::optional<IpAddress> underlay;
  std::uint16_t tunnel_number = 0;
  std::map<std::string, std::vector<policy::Workload>> workloads;
  policy::Processes processes;

  bool synced = false;
  bool leaving = false;
  Time now{};                                            // of the last Step, for questions
  Time may_take_at = kNever;                             // kNever: now, when synced
  std::deque<ApplyPolicy> waiting;                       // until synced

  std::unique_ptr<Compiled> in_force = std::make_unique<Compiled>();
  std::optional<Pending> pending;
  std::string unusable_generation;                       // what was wrong with one that arrived

  std::map<IpAddress, std::uint64_t> claims;             // own: address → term
  Watch watch;

  bool drained = false, stopping = false;
  Time drain_ends = kNever;
  std::map<std::string, std::string> unhealthy;          // gateway → what failed

  LeaseState leases;
  HandoverState handover;
  CarriedState carried;
  ConflictState conflicts;
  Takeovers takeovers;
  Time judged = Time::min();                             // of the last UpdateHolding
  std::set<IpAddress> announce_again;
  std::vector<IpAddress> unable;
  std::vector<gossip::Network> networks;                 // that this node tells of
  std::vector<gossip::Network> former_networks;          // from before a restart
  Time forget_networks_at = kNever;                      // those
  Grants grants;                                         // whose each network is
  bool networks_in_doubt = false;                        // host, workloads or policy changed
  std::map<IpAddress, Refused> refused;
  SlotTable slots;
  std::map<std::string, std::string> node_carriers;      // policy with `egress_ip: node` → gateway node in use

  plan::Inputs inputs;
  state::State desired;
  state::Touched touched;                                // by which it differs from what the kernel took last
  std::uint64_t revision = 0;
  std::uint64_t committed_revision = 0;                  // last one that the kernel took
  std::map<IpAddress, plan::Hold> committed_holds;       // in the kernel
  std::vector<gossip::Outgoing> letters;                 // that wait for Flush
  std::string kernel_error;
  Time retry_at = kNever;                                // of a commit that the kernel refused
  Duration retry_after{0};
  bool recheck = false;                                  // connections, after the next commit
  Time recheck_at = kNever;                              // or then: some are translated for another way now (see MayStay)
  std::map<EgressId, bool> went_to_peer;                 // that way: what an id went to last, a peer or this node's own uplink
  bool policy_is_new = false;                            // since the last time that they were
  bool own_in_doubt = false;                             // this time: those of the host's own processes, too (see OwnMayStay)
  Announcer announcer;

  // For MayStay, which is asked for every tracked connection: InternalOf the inputs of this revision.
  policy::InternalNetworks internal;
  std::optional<std::uint64_t> internal_revision;

  // What changed since the last Settle.
  bool view_changed = false;                             // members, host, policy, own state
  bool peers_changed = false;                            // perhaps: those that Store remembers
  bool build_needed = false;                             // something that plan::Build reads and plan::Inputs does not show
  bool commit_needed = false;                            // whatever Build says

  Remembered remembered;
};

}  // namespace egressd::agent
