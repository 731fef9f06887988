// What the daemon is made of before anything is opened: node file and keys.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/options.h"
#include "egressd/base/error.h"
#include "egressd/gossip/key.h"
#include "egressd/policy/finding.h"
#include "egressd/policy/node_config.h"
#include "egressd/state/host.h"

namespace egressd::daemon {

struct Setup {
  Options options;
  policy::NodeConfig config;   // node.name is filled in
  std::string config_text;     // for the rendering of findings
  std::vector<gossip::Key> keys;
};

// Why there is no Setup: findings about the node file, or one sentence.
struct Unfit {
  std::vector<policy::Finding> findings;
  std::string text;      // of the file that the findings are about
  std::string message;   // without findings
};

std::expected<Setup, Unfit> ReadSetup(const Options& options);
// Where the keys come from: $CREDENTIALS_DIRECTORY/gossip.key if there is one, else cluster.key_file.
std::string KeyPath(const policy::NodeConfig& config);
// Empty: there is no file, and none is needed.
std::expected<std::vector<gossip::Key>, Unfit> ReadKeys(const policy::NodeConfig& config);
// What only shows against the real host: a tunnel network that overlaps a route, for example.
std::vector<policy::Finding> CheckAgainstHost(const Setup& setup, const state::Host& host);
// Names the file in findings about its text, and gives line and column to those that only have a path.
void PointInto(std::vector<policy::Finding>& findings, const std::string& text, const std::string& file);
// As a person reads it, several lines.
std::string ToString(const Unfit& unfit);
std::string ToString(const std::vector<policy::Finding>& findings, const std::string& text);

}  // namespace egressd::daemon
