#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "control/convert.h"
#include "egressd/base/fd.h"
#include "egressd/control/client.h"
#include "egressd/control/files.h"
#include "egressd/control/server.h"
#include "support/temporary_directory.h"

using namespace egressd;
using control::Json;
using test::TemporaryDirectory;

namespace {

// Serves in the calling thread while `client` runs in another one.
template <typename ClientBody>
void Converse(const std::string& path, control::Server::Method method, ClientBody client) {
  auto server = control::Server::Open({.path = path}, std::move(method));
  REQUIRE(server);
  std::atomic<bool> done = false;
  std::thread thread([&] {
    client();
    done = true;
  });
  for (int i = 0; i < 2000 && !done; ++i) {
    pollfd waiting{.fd = server->fd(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, 5);
    server->Process();
  }
  CHECK(done);
  thread.join();
}

}  // namespace

TEST_CASE("a call arrives with its parameters and caller, and its answer comes back") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "control.sock";
  Converse(
      path,
      [](const std::shared_ptr<control::Call>& call) {
        CHECK(call->method() == "List");
        CHECK(call->user() == ::getuid());
        CHECK_FALSE(call->follows());
        call->Reply(Json::Object{{"schema", "x"}, {"items", Json::Array{Json::Object{{"name", call->parameters()["kind"]}}}}});
      },
      [&] {
        auto client = control::Client::Connect(path);
        REQUIRE(client);
        const auto answer = client->Call("List", Json::Object{{"kind", "nodes"}});
        REQUIRE(answer);
        CHECK(answer->error.empty());
        CHECK(answer->parameters["items"].items().at(0)["name"].text() == "nodes");
      });
}

TEST_CASE("a refusal comes back under its short name") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "control.sock";
  Converse(
      path, [](const std::shared_ptr<control::Call>& call) { call->Fail(control::kRefused, Json::Object{{"message", "no such device"}}); },
      [&] {
        auto client = control::Client::Connect(path);
        REQUIRE(client);
        const auto answer = client->Call("Apply", Json::Object{{"text", "version: 1"}});
        REQUIRE(answer);
        CHECK(answer->error == "Refused");
        CHECK(answer->parameters["message"].text() == "no such device");
      });
}

TEST_CASE("a call that is dropped without an answer says that the daemon is not ready") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "control.sock";
  Converse(
      path, [](const std::shared_ptr<control::Call>&) {},
      [&] {
        auto client = control::Client::Connect(path);
        REQUIRE(client);
        const auto answer = client->Call("Reload", Json::Object{});
        REQUIRE(answer);
        CHECK(answer->error == "NotReady");
      });
}

TEST_CASE("a follower gets every notification until it has enough") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "control.sock";
  std::vector<std::shared_ptr<control::Call>> kept;
  Converse(
      path,
      [&](const std::shared_ptr<control::Call>& call) {
        CHECK(call->follows());
        for (int i = 0; i < 3; ++i) call->Notify(Json::Object{{"events", Json::Array{Json::Object{{"text", std::to_string(i)}}}}});
        kept.push_back(call);
      },
      [&] {
        auto client = control::Client::Connect(path);
        REQUIRE(client);
        std::string seen;
        const auto end = client->Follow("Events", Json::Object{}, [&](const Json& answer) {
          seen += answer["events"].items().at(0)["text"].text();
          return seen.size() < 3;
        });
        CHECK(end);
        CHECK(seen == "012");
      });
}

TEST_CASE("parameters of the wrong type never reach the handler") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "control.sock";
  int calls = 0;
  Converse(
      path,
      [&](const std::shared_ptr<control::Call>& call) {
        ++calls;
        call->Reply(Json::Object{});
      },
      [&] {
        auto client = control::Client::Connect(path);
        REQUIRE(client);
        const auto answer = client->Call("Apply", Json::Object{{"text", 5}});
        REQUIRE(answer);
        CHECK(answer->error == "org.varlink.service.InvalidParameter");
      });
  CHECK(calls == 0);
}

TEST_CASE("nobody listening is told from not being allowed to connect") {
  const TemporaryDirectory directory;
  const auto absent = control::Client::Connect(directory.path() / "control.sock");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().kind == ErrorKind::kUnavailable);
  CHECK(absent.error().message == "no answer on " + (directory.path() / "control.sock").string());
}

TEST_CASE("a stale socket is replaced, and the new one has mode 0660") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "control.sock";
  {
    const Fd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  CHECK_FALSE(control::Client::Connect(path));
  {
    const auto server = control::Server::Open({.path = path}, [](const std::shared_ptr<control::Call>&) {});
    REQUIRE(server);
    struct stat is{};
    REQUIRE(::stat(path.c_str(), &is) == 0);
    CHECK((is.st_mode & 07777U) == 0660U);
    CHECK(control::Client::Connect(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));  // and taken away at the end
}

TEST_CASE("the interface declares every method with its types") {
  char* text = nullptr;
  REQUIRE(sd_varlink_idl_format(control::Interface(), &text) >= 0);
  std::string idl;  // long declarations are broken into lines; only the words matter here
  for (const char* at = text; *at != '\0'; ++at) {
    const bool blank = *at == ' ' || *at == '\t' || *at == '\n';
    if (!blank) idl += *at;
    if (blank && !idl.empty() && idl.back() != ' ' && idl.back() != '(') idl += ' ';
  }
  ::free(text);
  CHECK(idl.starts_with("interface io.egressd "));
  CHECK(idl.find("method GetPolicy() -> (generation: int, text: string )") != std::string::npos);
  CHECK(idl.find("egress_ips: []string") != std::string::npos);
  CHECK(idl.find("labels: [string]string") != std::string::npos);
  CHECK(idl.find("error NoSuchObject(message: string )") != std::string::npos);
}

TEST_CASE("a directory is locked once, and free again when its holder is gone") {
  const TemporaryDirectory directory;
  {
    const auto first = control::LockDirectory(directory.path());
    REQUIRE(first);
    const auto second = control::LockDirectory(directory.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::kStale);
  }
  CHECK(control::LockDirectory(directory.path()));
}

TEST_CASE("writing a file replaces it whole, keeps its mode and leaves nothing beside it") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "policy.yaml";
  REQUIRE(control::WriteFile(path, "first", 0640));
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  REQUIRE(control::WriteFile(path, "second", 0640));
  CHECK(control::ReadFile(path) == "second");
  struct stat is{};
  REQUIRE(::stat(path.c_str(), &is) == 0);
  CHECK((is.st_mode & 07777U) == 0600U);
  const auto entries = std::distance(std::filesystem::directory_iterator(directory.path()), {});
  CHECK(entries == 1);
}

TEST_CASE("a file that is not there is told from one that cannot be read") {
  const auto absent = control::ReadFile("/nonexistent/policy.yaml");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().kind == ErrorKind::kNotFound);
  CHECK(absent.error().message == "/nonexistent/policy.yaml: No such file or directory");
}

TEST_CASE("users and groups have names without NSS") {
  CHECK(control::UserName(0) == "root");
  CHECK(control::UserName(4000000000U) == "uid 4000000000");
  CHECK(control::GroupNumber("root") == 0U);
  CHECK_FALSE(control::GroupNumber("no-such-group-here"));
}
