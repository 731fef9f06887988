// The codes of every finding that reading can bring: stable, one for each kind of mistake, listed in egress-policy(5).
//
// Shape and syntax are E0xx, values are E15x; policy::Validate has the rest of E1xx, E2xx and W3xx to itself.
#pragma once

namespace egressd::yaml {

inline constexpr const char* kEmptyFile = "E001";
inline constexpr const char* kSyntax = "E002";
inline constexpr const char* kEncoding = "E003";
inline constexpr const char* kTooBig = "E004";
inline constexpr const char* kSeveralDocuments = "E005";
inline constexpr const char* kVersion = "E006";
inline constexpr const char* kWrongKind = "E007";
inline constexpr const char* kUnknownKey = "E008";
inline constexpr const char* kDuplicateKey = "E009";
inline constexpr const char* kNotSupported = "E010";
inline constexpr const char* kYamlFeature = "E011";  // merge keys, tags, keys that are no names
inline constexpr const char* kAmbiguous = "E012";    // 010, no, 1e3, 12:34:56, 0x10
inline constexpr const char* kMissing = "E013";
inline constexpr const char* kEmpty = "E014";
inline constexpr const char* kTab = "E015";
inline constexpr const char* kExclusive = "E016";    // keys of which an object has one
inline constexpr const char* kTooManyFindings = "E099";

inline constexpr const char* kBadAddress = "E150";
inline constexpr const char* kBadNumber = "E151";
inline constexpr const char* kBadWord = "E152";
inline constexpr const char* kBadPort = "E153";
inline constexpr const char* kBadSelector = "E154";
inline constexpr const char* kBadName = "E155";
inline constexpr const char* kBadDuration = "E156";
inline constexpr const char* kBadUrl = "E157";
inline constexpr const char* kBadRate = "E158";

}  // namespace egressd::yaml
