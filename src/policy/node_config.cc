#include "egressd/policy/node_config.h"

namespace egressd::policy {

NodeConfig::Tunnel::Tunnel() : ipv4(*Prefix::Parse("198.19.0.0/16")), ipv6(*Prefix::Parse("fd65:6772:6573:7300::/64")) {}

}  // namespace egressd::policy
