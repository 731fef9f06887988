// The codes of what is wrong with manifests: stable, listed in egress-policy(5). What is no YAML has the codes of the yaml module.
#pragma once

namespace egressd::convert {

inline constexpr const char* kNothing = "E401";           // no object that can be converted
inline constexpr const char* kNoObject = "E402";          // not a Kubernetes object
inline constexpr const char* kTwice = "E403";             // the same object twice
inline constexpr const char* kUnknownReference = "E404";  // names an object that is not among the files
inline constexpr const char* kMissing = "E405";
inline constexpr const char* kBadValue = "E406";
inline constexpr const char* kContradiction = "E407";  // fields that exclude each other
inline constexpr const char* kCannotSay = "E408";      // there is no way to say it in a policy file
inline constexpr const char* kInvalidResult = "E409";  // what came out contradicts itself

}  // namespace egressd::convert
