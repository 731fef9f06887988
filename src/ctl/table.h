// Columns for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace egressd::ctl {

// Cells padded to the widest of their column, two blanks between, none at the end of a line. Escape sequences take no room. The first row
// is the heading.
std::string Columns(const std::vector<std::vector<std::string>>& rows);
// Columns that a terminal shows: UTF-8 code points without escape sequences.
std::size_t Width(std::string_view text);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace egressd::ctl
