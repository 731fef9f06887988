// A container as the Docker Engine API describes it, which podman's service speaks as well: JSON → workload.
//
// 1. Not trusted: names, labels and addresses are taken when they are what they should be; an identity that is none is an error, because
//    it becomes a part of a request.
// 2. A container has addresses from before its first process starts until it has exited (created, running, paused). One that uses the
//    host's network, or that of another container, has none of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "egressd/base/error.h"
#include "egressd/policy/policy_set.h"

namespace egressd::discover {

struct Container {
  std::string id;              // hexadecimal, 12-64 digits
  policy::Workload workload;   // without addresses there is nothing to know about it
  bool operator==(const Container&) const = default;
};

// An element of /containers/json. podman does not say there whose network it is: who shares one shows the same addresses as its owner.
Result<Container> ParseListed(std::string_view json);
// /containers/ID/json
Result<Container> ParseInspected(std::string_view json);
// Of an element of /events: the container that is to be looked at anew; nullopt = the event changes nothing here.
Result<std::optional<std::string>> ParseEvent(std::string_view json);

// "1.41"
bool IsApiVersion(std::string_view text);

}  // namespace egressd::discover
