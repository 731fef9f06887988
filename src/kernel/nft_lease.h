// Leases are elements with a timeout: the kernel ends them by itself when nobody renews them, and without a notification. What must not
// happen is that a process that stood still (stopped, starved, swapped out) renews them late, when another node holds the address already.
//
// So the table has a set `awake` with one element, which Nft::Wake makes with a short timeout, and a batch that adds a lease removes that
// element first. If it is gone the batch fails as a whole: between Wake and the kernel's work on the batch lies at most that timeout.
//
// The set is no part of the state: neither wanted nor observed. Called by nft.cc and nft_steps.cc.
#pragma once

#include <span>

#include "egressd/base/time.h"
#include "egressd/state/transaction.h"
#include "kernel/nft_batch.h"

namespace egressd::kernel {

const state::NftSet& AwakeSet();
// The removal that stands in front of leases; errors of the kernel name it as their origin.
const state::Step& AwakeRemoval();

// Does one of the steps add an element with a timeout?
bool AddsLease(std::span<const state::Step> steps);
// Removes the element of `awake`.
void EncodeAwakeRemoval(NftBatch& batch);

enum class WakeFrom : std::uint8_t { kSet, kNothing };  // kNothing: the table and the set are made where they are missing
// Makes the element of `awake` anew, whether or not there is one; with a timeout of 0 there is none afterwards.
void EncodeWake(Duration timeout, WakeFrom from, NftBatch& batch);

}  // namespace egressd::kernel
