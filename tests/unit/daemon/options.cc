#include "daemon/options.h"

#include <doctest/doctest.h>

#include <vector>

using egressd::Result;
using egressd::daemon::Options;

namespace {

Result<Options> Parse(std::vector<const char*> words) {
  words.insert(words.begin(), "egressd");
  return egressd::daemon::ParseOptions(static_cast<int>(words.size()), const_cast<char**>(words.data()));
}

}  // namespace

TEST_CASE("options take their value behind a blank or an equals sign") {
  const auto options = Parse({"--config", "/a.yaml", "--state-dir=/s", "--run-dir", "/r", "--log-level=debug"});
  REQUIRE(options);
  CHECK(options->config == "/a.yaml");
  CHECK(options->config_given);
  CHECK(options->state_directory == "/s");
  CHECK(options->run_directory == "/r");
  CHECK(options->log_level == "debug");
  CHECK(options->task == Options::Task::kServe);
}

TEST_CASE("without options the daemon serves from the usual places") {
  const auto options = Parse({});
  REQUIRE(options);
  CHECK_FALSE(options->config_given);
  CHECK(options->config == "/etc/egressd/egressd.yaml");
}

TEST_CASE("unknown options, missing values and verbs are refused") {
  CHECK(Parse({"--confg", "x"}).error().message == "unknown option --confg");
  CHECK(Parse({"--config"}).error().message == "--config needs a value");
  CHECK(Parse({"--cleanup=yes"}).error().message == "unknown option --cleanup");
  CHECK(Parse({"status"}).error().message == "unexpected argument 'status' (verbs are egressctl's: egressctl status …)");
}

TEST_CASE("tasks other than serving are options") {
  CHECK(Parse({"--cleanup"})->task == Options::Task::kCleanup);
  CHECK(Parse({"--release-after-crash", "--config=/x"})->task == Options::Task::kReleaseAfterCrash);
}
