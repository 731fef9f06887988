#include "egressd/discover/processes.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/temporary_directory.h"

using namespace egressd;
namespace fs = std::filesystem;

namespace {

struct Tree : test::TemporaryDirectory {
  std::uint64_t Inode(const std::string& below) const {
    struct stat is{};
    return ::stat((path().string() + below).c_str(), &is) == 0 ? is.st_ino : 0;
  }
};

std::vector<std::string> Paths(const std::vector<policy::Cgroup>& cgroups) {
  std::vector<std::string> paths;
  for (const policy::Cgroup& cgroup : cgroups) paths.push_back(cgroup.path);
  return paths;
}

// What is said last until `done` holds, or a second has passed.
template <typename Done>
std::vector<policy::Cgroup> Await(discover::UnitFollower& follower, Done done) {
  std::vector<policy::Cgroup> last;
  for (int i = 0; i < 100 && !done(last); ++i) {
    pollfd waiting{.fd = follower.fd(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, 10);
    if (auto now = follower.Take()) last = std::move(*now);
  }
  return last;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the tree of cgroups is where its root is mounted last") {
  CHECK(discover::CgroupRootIn("24 1 0:22 / /proc rw - proc proc rw\n"
                               "30 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n") == "/sys/fs/cgroup");
  CHECK(discover::CgroupRootIn("30 24 0:27 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n") == std::nullopt);
  CHECK(discover::CgroupRootIn("30 24 0:27 / /a\\040b rw - cgroup2 cgroup2 rw\n31 24 0:28 / /c rw - cgroup cgroup rw,cpu\n") == "/a b");
  CHECK(discover::CgroupRootIn("30 24 0:27 / /a rw - cgroup2 x rw\n31 24 0:27 / /b rw master:1 - cgroup2 x rw\n") == "/b");
  CHECK(discover::CgroupRootIn("") == std::nullopt);
  CHECK(discover::CgroupRootIn("- - - - - - - cgroup2\n30 24 0:27 / /a rw -") == std::nullopt);
}

TEST_CASE("slices and managers of users are looked into, services are not") {
  const Tree tree;
  for (const char* path : {"/system.slice/nginx.service/child.service", "/user.slice/user@7.service/app.slice/sync.service", "/init.scope",
                           "/machine.slice/libpod-1.scope/system.slice"}) {
    fs::create_directories(tree.path().string() + path);
  }
  auto follower = discover::UnitFollower::Open(tree.path().string() + "/");
  REQUIRE(follower);
  CHECK(Paths(follower->Scan()) == Texts{"/init.scope", "/machine.slice", "/machine.slice/libpod-1.scope", "/system.slice",
                                         "/system.slice/nginx.service", "/user.slice", "/user.slice/user@7.service",
                                         "/user.slice/user@7.service/app.slice", "/user.slice/user@7.service/app.slice/sync.service"});
  const auto all = follower->Scan();
  CHECK(std::ranges::find(all, "/system.slice/nginx.service", &policy::Cgroup::path)->id == tree.Inode("/system.slice/nginx.service"));
}

TEST_CASE("units that start, stop and start again are told, those in a new slice too") {
  const Tree tree;
  fs::create_directories(tree.path() / "system.slice");
  auto follower = discover::UnitFollower::Open(tree.path());
  REQUIRE(follower);
  CHECK(Paths(follower->Scan()) == Texts{"/system.slice"});
  CHECK_FALSE(follower->Take());
  fs::create_directory(tree.path() / "system.slice/a.service");
  auto now = Await(*follower, [](const auto& cgroups) { return cgroups.size() == 2; });
  CHECK(Paths(now) == Texts{"/system.slice", "/system.slice/a.service"});
  // The old directory is kept under another name, so that the new one cannot have its inode.
  fs::rename(tree.path() / "system.slice/a.service", tree.path() / "kept");
  fs::create_directory(tree.path() / "system.slice/a.service");
  const std::uint64_t fresh = tree.Inode("/system.slice/a.service");
  fs::create_directories(tree.path() / "system.slice/system-w.slice/w@1.service");
  const auto HasAll = [&](const auto& cgroups) {
    return std::ranges::find(cgroups, "/system.slice/system-w.slice/w@1.service", &policy::Cgroup::path) != cgroups.end();
  };
  now = Await(*follower, HasAll);
  CHECK(std::ranges::find(now, "/system.slice/a.service", &policy::Cgroup::path)->id == fresh);
  fs::remove_all(tree.path() / "system.slice/system-w.slice");
  now = Await(*follower, [&](const auto& cgroups) { return !cgroups.empty() && !HasAll(cgroups) && cgroups.size() < 4; });
  CHECK_FALSE(HasAll(now));
  fs::remove(tree.path() / "kept");
}

TEST_CASE("users are the lines of passwd that are some") {
  CHECK(discover::UsersIn("root:x:0:0:root:/root:/bin/sh\nmail:x:8:8::/:\n") == discover::Users{{"mail", 8}, {"root", 0}});
  CHECK(discover::UsersIn("a:x:1:1::/:\na:x:2:2::/:\n") == discover::Users{{"a", 1}});
  CHECK(discover::UsersIn("# comment:x:1:1\n+nis\n:x:3:3::/:\nb:x:no:1::/:\nc:x:99999999999:1::/:\nd:x:4").empty());
}

TEST_CASE("a user who is added is told, however the file is written") {
  const Tree tree;
  const std::string path = tree.path() / "passwd";
  std::ofstream(path) << "a:x:1:1::/:\n";
  auto follower = discover::UserFollower::Open(path);
  REQUIRE(follower);
  CHECK(follower->Scan() == discover::Users{{"a", 1}});
  CHECK_FALSE(follower->Take());
  std::ofstream(tree.path() / "passwd+") << "a:x:1:1::/:\nb:x:2:2::/:\n";
  fs::rename(tree.path() / "passwd+", path);
  CHECK(follower->Take() == discover::Users{{"a", 1}, {"b", 2}});
  CHECK_FALSE(follower->Take());
}
