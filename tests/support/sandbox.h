// A network namespace of its own for one test case: unshare on construction, back to where the process was on destruction.
#pragma once

#include <fcntl.h>
#include <sched.h>

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

}  // namespace egressd::test
