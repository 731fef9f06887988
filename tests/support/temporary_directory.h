// A new directory below /tmp for as long as the object lives.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "egressd/base/error.h"

namespace egressd::test {

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
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace egressd::test
