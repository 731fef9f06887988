// Files in the state directory: a new content replaces the old one as a whole, whenever the machine stops.
#pragma once

#include <string>
#include <string_view>

#include "egressd/base/error.h"

namespace egressd::kernel {

// Writes a draft beside `path`, syncs it, renames it into place and syncs the directory.
Result<void> WriteStateFile(const std::string& path, std::string_view content);

}  // namespace egressd::kernel
