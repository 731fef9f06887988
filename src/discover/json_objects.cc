#include "discover/json_objects.h"

namespace egressd::discover {

Result<void> JsonObjects::Outside(char c) {
  switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case '\x1e':  // RFC 7464
    case ',':
      return {};
    case '[':
      if (in_list_) return Fail(ErrorKind::kInvalid, "a list within a list");
      in_list_ = true;
      return {};
    case ']':
      if (!in_list_) return Fail(ErrorKind::kInvalid, "`]` without a list");
      in_list_ = false;
      return {};
    default:
      return Fail(ErrorKind::kInvalid, "neither objects nor a list of objects");
  }
}

Result<void> JsonObjects::Feed(std::string_view piece) {
  std::size_t begin = 0;  // of what belongs to the present object
  for (std::size_t at = 0; at < piece.size(); ++at) {
    const char c = piece[at];
    if (depth_ == 0 && c != '{') {
      if (auto outside = Outside(c); !outside) return outside;
      continue;
    }
    if (depth_ == 0) begin = at;
    if (in_text_) {
      if (is_escaped_) {
        is_escaped_ = false;
      } else if (c == '\\') {
        is_escaped_ = true;
      } else if (c == '"') {
        in_text_ = false;
      }
      continue;
    }
    if (c == '"') in_text_ = true;
    if ((c == '{' || c == '[') && ++depth_ > kDeepest) return Fail(ErrorKind::kInvalid, "an object that is too deep");
    if (c != '}' && c != ']') continue;
    if (--depth_ > 0) continue;
    object_.append(piece.substr(begin, at + 1 - begin));
    if (object_.size() > kLargestObject) return Fail(ErrorKind::kInvalid, "an object of more than 4 MiB");
    auto taken = sink_(object_);
    object_.clear();
    if (!taken) return taken;
  }
  if (depth_ > 0) object_.append(piece.substr(begin));
  if (object_.size() > kLargestObject) return Fail(ErrorKind::kInvalid, "an object of more than 4 MiB");
  return {};
}

}  // namespace egressd::discover
