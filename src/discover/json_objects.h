// Cuts a stream of JSON text into its outermost objects: the elements of a list, or objects one behind the other. So a list of any length
// is worked off piece by piece, and costs the memory of its largest element.
//
// 1. Not trusted: an object is bounded in bytes and in depth. Whether what was cut out is JSON is for its reader to say.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "egressd/base/error.h"

namespace egressd::discover {

class JsonObjects {
 public:
  using Sink = std::function<Result<void>(std::string_view object)>;

  static constexpr std::size_t kLargestObject = std::size_t{4} << 20U;  // bytes
  static constexpr int kDeepest = 32;

  explicit JsonObjects(Sink sink) : sink_(std::move(sink)) {}
  // Errors: those of the sink, a bound, or something else than objects. After an error nothing more is to be fed.
  Result<void> Feed(std::string_view piece);
  // Is the text complete as far as it was fed?
  bool is_whole() const { return depth_ == 0 && !in_list_; }

 private:
  Result<void> Outside(char c);

  Sink sink_;
  std::string object_;        // what there is of the present one, from earlier pieces
  int depth_ = 0;             // 0 = between objects
  bool in_list_ = false;
  bool in_text_ = false;
  bool is_escaped_ = false;
};

}  // namespace egressd::discover
