// What podman 4.3.1's service answered, byte for byte (captured/*.http): containers web (networks shop and second), sharer (in web's
// network), paused, gone (stopped), hostnet and inited (made, not started).
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace egressd::test {

inline std::string Captured(const std::string& name) {
  std::ifstream file(std::string(EGRESSD_TEST_DATA) + "/captured/" + name + ".http", std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace egressd::test
