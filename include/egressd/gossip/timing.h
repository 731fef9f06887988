// Every interval of the gossip, in one place: what it is made of, and what it costs to raise or to lower it. The node file's `profile`
// scales all of them (lan as below, fast 0.4 times, wan 4 times). All in microseconds.
//
// With T = probe_interval, n = members that live, S = SuspicionWindow(n):
//   a dead node is suspected after        <= 2 T          its neighbour on the ring probes it within T, the probe takes T
//   and dead for everybody after          <= 2 T + S      S = suspicion, once three others confirm; lan 4.5 s, fast 1.8 s, wan 18 s
//   a daemon back within suspicion - 2 T  is never declared dead
//   news reaches everybody after          about T log5(n) each probe and each ack, out and in, carries it: five know it where one did
//   a lost record is repaired by          the next ping, ack or push-pull between the two, whichever is first
// Datagrams of an idle node: 4 / T of about 110 bytes, and 2 / push_pull_interval of about 210, whatever n is.
#pragma once

#include <cstddef>

#include "egressd/base/time.h"

namespace egressd::gossip {

struct Timing {
  // T. Every T two members are probed: the next one on the ring (so that everybody is probed by somebody), and one in random order.
  // Higher: death is noticed later by 2 T. Lower: more datagrams, and ack_timeout must shrink with it.
  Duration probe_interval{500'000};
  // Without an ack after this, the probe is repeated, directly and by three others; they answer, yes or no, after as long again. At most
  // 0.4 T. Higher: less time for the others before T ends. Lower than the slowest round trip: every probe takes the detour.
  Duration ack_timeout{200'000};
  // S at its shortest: from suspicion to death, unless a newer record refutes it. 3.5 s + 2 T = dead within 4.5 s, and longer than a
  // restart of 2 s. Higher: death is known later. Lower: a short pause of a daemon, or of the network, counts as death.
  Duration suspicion{3'500'000};
  // A comparison of everything with one random member. Higher: what rode on lost datagrams is repaired later. Lower: more datagrams.
  Duration push_pull_interval{2'000'000};
  // What went to members directly (own record, a death) goes once more after this. Higher: a lost first one is made good later.
  // Lower: both are lost in the same burst.
  Duration repeat_push{150'000};
  // Join addresses where nobody known lives are asked again for ever, at most 16 at a time: fast while alone, slowly afterwards.
  // Higher: a start, or halves that find each other, take longer. Lower: more datagrams to nowhere.
  Duration join_interval{500'000};
  Duration rejoin_interval{5'000'000};
  // A starting node waits this long for any answer, and this long for an answer of a node that is up to date itself …
  // Higher: a node that is really alone starts later. Lower: a node whose answers are late acts without knowing the others.
  Duration sync_silence{3'000'000};
  Duration sync_limit{5'000'000};
  // … but when every join address has answered and none is up to date (a cluster that starts), only this long.
  Duration sync_cold_start{1'000'000};
  // An unanswered request for pieces of a policy is repeated; after three, another member is asked. Higher: a policy takes longer over
  // a lossy network. Lower than a round trip: pieces are sent twice.
  Duration chunk_retry{150'000};
  // A member that has left is forgotten. Higher: it is listed longer. Lower than a partition lasts: it comes back from the other half.
  Duration forget_left{3'600'000'000};
};

// Others who are asked to probe for us; as many distinct confirmations make a suspicion as short as it gets.
inline constexpr std::size_t kHelpers = 3;

// suspicion * (1 + (max(1, lg n) - 1) * (1 - ln(c + 1) / ln(kHelpers + 1))), lg to base 10, c = confirmations up to kHelpers.
// Up to ten members this is `suspicion`; beyond, a lone accuser waits longer, because it may be the one who is ill (Lifeguard).
Duration SuspicionWindow(const Timing& timing, std::size_t members, std::size_t confirmations);

// How often one node passes one piece of news on: 4 * ceil(lg(n + 1)), SWIM's bound.
int TimesToTell(std::size_t members);

// Every interval but forget_left, times numerator / denominator.
Timing Scaled(const Timing& timing, int numerator, int denominator);

}  // namespace egressd::gossip
