#include "egressd/gossip/key.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <optional>

namespace egressd::gossip {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kTextLength = 44;  // of 32 bytes: 43 digits and one '='

std::optional<Key> Decode(std::string_view text) {
  if (text.size() != kTextLength || text.back() != '=') return std::nullopt;
  Key key;
  std::uint32_t bits = 0;
  int held = 0;
  std::size_t written = 0;
  for (const char c : text.substr(0, kTextLength - 1)) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    key.bytes[written++] = static_cast<std::uint8_t>(bits >> held);
  }
  // 43 digits are 258 bits: the two that are left over must be zero, so that a key has one text only.
  if ((bits & 3) != 0) return std::nullopt;
  return key;
}

std::string_view Trim(std::string_view line) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  return line;
}

}  // namespace

Result<std::vector<Key>> ParseKeys(std::string_view text) {
  std::vector<Key> keys;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::optional<Key> key = Decode(line);
    if (!key) return Fail(ErrorKind::kInvalid, std::format("line {}: not a key (32 bytes in base64, 44 characters)", number));
    if (std::ranges::contains(keys, *key)) return Fail(ErrorKind::kInvalid, std::format("line {}: the same key stands twice", number));
    if (keys.size() == kKeyLimit) return Fail(ErrorKind::kInvalid, std::format("line {}: more than {} keys", number, kKeyLimit));
    keys.push_back(*key);
  }
  if (keys.empty()) return Fail(ErrorKind::kInvalid, "no key found (one base64 key of 32 bytes a line)");
  return keys;
}

std::string ToString(const Key& key) {
  std::string text;
  text.reserve(kTextLength);
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::uint8_t byte : key.bytes) {
    bits = bits << 8 | byte;
    held += 8;
    while (held >= 6) {
      held -= 6;
      text += kAlphabet[bits >> held & 63];
    }
  }
  text += kAlphabet[bits << (6 - held) & 63];
  text += '=';
  return text;
}

std::string ToString(Fingerprint fingerprint) { return std::format("{:08x}", fingerprint.value); }

std::optional<Fingerprint> ParseFingerprint(std::string_view text) {
  Fingerprint fingerprint;
  if (text.size() != 8) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fingerprint.value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return fingerprint;
}

}  // namespace egressd::gossip
