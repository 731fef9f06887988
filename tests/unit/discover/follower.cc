#include "egressd/discover/follower.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_directory.h"

using namespace egressd;
using test::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

// Everything that notifications report until `count` changes are there, or a second has passed.
std::vector<discover::FileChange> Await(discover::Follower& follower, std::size_t count) {
  std::vector<discover::FileChange> out;
  for (int i = 0; i < 100 && out.size() < count; ++i) {
    pollfd waiting{.fd = follower.fd(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, 10);
    for (auto& change : follower.Take()) out.push_back(std::move(change));
  }
  return out;
}

}  // namespace

TEST_CASE("only YAML and JSON files count, and no leftovers of editors") {
  for (const char* name : {"erp.yaml", "erp.yml", "erp.json"}) CHECK(discover::IsDropIn(name));
  for (const char* name : {".erp.yaml", "#erp.yaml", "erp.yaml~", "erp.yaml.swp", "erp.txt", "yaml", ""})
    CHECK_FALSE(discover::IsDropIn(name));
}

TEST_CASE("a new, a changed and a removed file are each reported once") {
  const TemporaryDirectory directory;
  auto follower = discover::Follower::Open(directory.path());
  REQUIRE(follower);
  CHECK(follower->Scan().empty());

  Write(directory.path() / "a.yaml", "one");
  auto changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].name == "a.yaml");
  CHECK(changes[0].content == "one");

  Write(directory.path() / "a.yaml", "two");
  changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].content == "two");

  fs::remove(directory.path() / "a.yaml");
  changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK_FALSE(changes[0].content);
  CHECK_FALSE(changes[0].error);
}

TEST_CASE("a file that is written again with the same content is not reported") {
  const TemporaryDirectory directory;
  Write(directory.path() / "a.yaml", "one");
  auto follower = discover::Follower::Open(directory.path());
  REQUIRE(follower);
  CHECK(follower->Scan().size() == 1);
  CHECK(follower->Scan().empty());
  Write(directory.path() / "a.yaml", "one");
  Write(directory.path() / "b.yaml", "two");
  const auto changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].name == "b.yaml");
}

TEST_CASE("a file renamed into place is read, its temporary name is not") {
  const TemporaryDirectory directory;
  auto follower = discover::Follower::Open(directory.path());
  REQUIRE(follower);
  Write(directory.path() / ".a.yaml.tmp", "one");
  fs::rename(directory.path() / ".a.yaml.tmp", directory.path() / "a.yaml");
  const auto changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].name == "a.yaml");
}

TEST_CASE("a symbolic link counts as the file that it leads to") {
  const TemporaryDirectory directory, elsewhere;
  Write(elsewhere.path() / "x", "linked");
  auto follower = discover::Follower::Open(directory.path());
  REQUIRE(follower);
  fs::create_symlink(elsewhere.path() / "x", directory.path() / "a.yaml");
  const auto changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].content == "linked");
}

TEST_CASE("a directory that appears later, or goes and comes back, is followed") {
  const TemporaryDirectory directory;
  const fs::path deep = directory.path() / "egressd" / "workloads.d";
  auto follower = discover::Follower::Open(deep);
  REQUIRE(follower);
  CHECK(follower->Scan().empty());

  fs::create_directories(deep);
  Write(deep / "a.yaml", "one");
  auto changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].content == "one");

  fs::remove_all(deep);
  changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK_FALSE(changes[0].content);

  fs::create_directories(deep);
  Write(deep / "b.yaml", "two");
  changes = Await(*follower, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].name == "b.yaml");
}

TEST_CASE("what cannot be read is reported as an error, once, and again as content when it can") {
  const TemporaryDirectory directory;
  fs::create_directory(directory.path() / "a.yaml");
  auto follower = discover::Follower::Open(directory.path());
  REQUIRE(follower);
  auto changes = follower->Scan();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].error);
  CHECK(follower->Scan().empty());
  fs::remove(directory.path() / "a.yaml");
  Write(directory.path() / "a.yaml", "one");
  changes = follower->Scan();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].content == "one");
}
