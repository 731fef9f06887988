#include "daemon/process_usage.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <sstream>

#include "egressd/control/files.h"

namespace egressd::daemon {
namespace {

std::uint64_t OpenDescriptors() {
  DIR* const directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(directory);
  return count - 1;  // this one
}

double Seconds(const timeval& value) { return static_cast<double>(value.tv_sec) + static_cast<double>(value.tv_usec) / 1e6; }

}  // namespace

double WallSeconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

ProcessUsage ProcessUsage::Read() {
  ProcessUsage usage;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) usage.cpu_seconds = Seconds(used.ru_utime) + Seconds(used.ru_stime);
  if (const auto statm = control::ReadFile("/proc/self/statm")) {
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    std::istringstream words(*statm);
    std::uint64_t all = 0, resident = 0;
    words >> all >> resident;
    usage.virtual_bytes = all * page_bytes;
    usage.resident_bytes = resident * page_bytes;
  }
  usage.open_descriptors = OpenDescriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.most_descriptors = limit.rlim_cur;
  return usage;
}

}  // namespace egressd::daemon
