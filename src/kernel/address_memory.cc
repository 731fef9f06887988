#include "kernel/address_memory.h"

#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <utility>

#include "kernel/state_file.h"

namespace egressd::kernel {

AddressMemory::Need AddressMemory::NeedHere() {
  utsname name{};
  int major = 0;
  int minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return Need::kNone;
  return std::pair(major, minor) < std::pair(5, 18) ? Need::kOldKernel : Need::kNone;
}

AddressMemory::AddressMemory(const std::string& state_directory, Need need)
    : file_(state_directory.empty() ? "" : state_directory + "/egress-addresses"), need_(need) {
  if (need_ == Need::kNone || file_.empty()) return;
  std::ifstream in(file_);
  for (std::string device, text; in >> device >> text;) {
    if (const auto address = IpAddress::Parse(text)) keys_.insert({.device = device, .address = *address});
  }
}

Result<void> AddressMemory::Add(const state::EgressAddress::Key& key) {
  if (need_ == Need::kNone || !keys_.insert(key).second) return {};
  return Save();
}

Result<void> AddressMemory::Remove(const state::EgressAddress::Key& key) {
  if (keys_.erase(key) == 0) return {};
  return Save();
}

Result<void> AddressMemory::Save() const {
  if (file_.empty()) return {};
  std::string text;
  for (const auto& key : keys_) text += key.device + " " + key.address.ToString() + "\n";
  return WriteStateFile(file_, text);
}

}  // namespace egressd::kernel
