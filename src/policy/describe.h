// Every object of a policy set as attributes in text, for people: the values as they would stand in the file.
// Called by Changes and by findings that quote a value.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "egressd/policy/policy_set.h"

namespace egressd::policy {

using Attributes = std::map<std::string, std::string>;  // key of the file → value; what has its default is there too

Attributes Describe(const Policy& policy);
Attributes Describe(const Gateway& gateway);
Attributes Describe(const Pool& pool);
Attributes Describe(const Namespace& named);
Attributes Describe(const Workload& workload);
Attributes Describe(const std::vector<Destination>& destinations);

std::string Text(const Destination& destination);  // "192.0.2.0/24", "@saas"
std::string Text(const PortRange& range);          // "tcp/25", "udp/8000-8100"
std::string Text(const Selector& selector);        // "app=postfix,namespace=shop"
std::string Text(const HealthCheck& check);        // "{tcp: 192.0.2.1:443, every: 2s, fail: 3}"
std::string Target(const HealthCheck& check);      // "tcp: 192.0.2.1:443", "http: http://192.0.2.1/healthz"

}  // namespace egressd::policy
