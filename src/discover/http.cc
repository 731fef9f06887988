#include "discover/http.h"

#include <format>
#include <utility>

namespace egressd::discover {
namespace {

constexpr std::size_t kLargestHead = std::size_t{64} << 10U;  // bytes of status line, headers and what stands between chunks
constexpr std::string_view kVersionField = "api-version";
constexpr std::size_t kLongestVersion = 32;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

HttpReader::HttpReader() { llhttp_init(&parser_, HTTP_RESPONSE, &Settings()); }

const llhttp_settings_t& HttpReader::Settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    const auto self = [](llhttp_t* parser) -> HttpReader& { return *static_cast<HttpReader*>(parser->data); };
    static const auto kSelf = self;
    settings.on_message_begin = [](llhttp_t* parser) {
      if (!kSelf(parser).is_complete_) return 0;
      kSelf(parser).refused_ = Fail(ErrorKind::kInvalid, "an answer that nobody asked for");
      return -1;
    };
    settings.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      // Longer ones are none that is asked for; what a head may hold in all is bounded by Feed.
      for (const char c : std::string_view(at, length)) kSelf(parser).field_ += Lower(c);
      return 0;
    };
    settings.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      HttpReader& reader = kSelf(parser);
      if (reader.field_ == kVersionField && reader.api_version_.size() + length <= kLongestVersion) reader.api_version_.append(at, length);
      return 0;
    };
    settings.on_header_value_complete = [](llhttp_t* parser) {
      kSelf(parser).field_.clear();
      return 0;
    };
    settings.on_headers_complete = [](llhttp_t* parser) {
      HttpReader& reader = kSelf(parser);
      reader.status_ = static_cast<int>(llhttp_get_status_code(parser));
      reader.has_head_ = true;
      if (reader.status_ >= 200 && llhttp_get_upgrade(parser) == 0) return 0;
      reader.refused_ = Fail(ErrorKind::kInvalid, std::format("unexpected status {}", reader.status_));
      return -1;
    };
    settings.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
      HttpReader& reader = kSelf(parser);
      reader.head_bytes_ = 0;
      reader.refused_ = reader.body_(std::string_view(at, length));
      return reader.refused_ ? 0 : -1;
    };
    settings.on_message_complete = [](llhttp_t* parser) {
      HttpReader& reader = kSelf(parser);
      reader.is_complete_ = true;
      reader.may_go_on_ = llhttp_should_keep_alive(parser) != 0;
      return 0;
    };
    return settings;
  }();
  return kSettings;
}

void HttpReader::Expect(Body body) {
  body_ = std::move(body);
  head_bytes_ = 0;
  field_.clear();
  api_version_.clear();
  status_ = 0;
  has_head_ = is_complete_ = may_go_on_ = false;
}

Result<void> HttpReader::Feed(std::string_view bytes) {
  if (is_complete_ && !bytes.empty()) return Fail(ErrorKind::kInvalid, "bytes that nobody asked for");
  parser_.data = this;
  // In slices, so that one long head is noticed before it is all taken in.
  constexpr std::size_t kSlice = 4096;
  for (std::size_t at = 0; at < bytes.size(); at += kSlice) {
    const std::string_view slice = bytes.substr(at, kSlice);
    head_bytes_ += slice.size();
    const llhttp_errno_t status = llhttp_execute(&parser_, slice.data(), slice.size());
    if (!refused_) return std::exchange(refused_, {});
    if (status != HPE_OK) return Fail(ErrorKind::kInvalid, std::format("no HTTP answer: {}", llhttp_get_error_reason(&parser_)));
    if (head_bytes_ > kLargestHead) return Fail(ErrorKind::kInvalid, "headers of more than 64 KiB");
  }
  return {};
}

}  // namespace egressd::discover
