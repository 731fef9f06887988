// A network namespace of its own for one test case: unshare on construction, back to where the process was on destruction.
// Also: a directory that goes away with the test.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::test {

class Sandbox {
 public:
  Sandbox() : home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    EGRESSD_ASSERT(home_.is_open());
    EGRESSD_ASSERT(::unshare(CLONE_NEWNET) == 0);  // needs root
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  ~Sandbox() { EGRESSD_ASSERT(::setns(home_.get(), CLONE_NEWNET) == 0); }

 private:
  Fd home_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char path[] = "/tmp/egressd-test-XXXXXX";
    EGRESSD_ASSERT(::mkdtemp(path) != nullptr);
    path_ = path;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace egressd::test
