// What a decoder makes of a message of the kernel.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace egressd::kernel {

// An object with a key like one of ours. `ours`: it also bears our sign (protocol number, alias …) and is in force; without it the
// object belongs to somebody else, who may have put it in the place of ours.
template <typename Kind>
struct Seen {
  Kind object;
  bool ours = false;
};

// Names of the network devices by index, and which of them is the tunnel.
class Devices {
 public:
  std::uint32_t tunnel_index = 0;  // 0 = there is no tunnel device of ours
  void Put(std::uint32_t index, const std::string& name) { names_.insert_or_assign(index, name); }
  void Remove(std::uint32_t index) {
    names_.erase(index);
    if (index == tunnel_index) tunnel_index = 0;
  }
  void Clear() {
    names_.clear();
    tunnel_index = 0;
  }
  bool IsTunnel(std::uint32_t index) const { return index != 0 && index == tunnel_index; }
  // "" = unknown.
  std::string Name(std::uint32_t index) const {
    const auto found = names_.find(index);
    return found == names_.end() ? std::string() : found->second;
  }

 private:
  std::map<std::uint32_t, std::string> names_;
};

}  // namespace egressd::kernel
