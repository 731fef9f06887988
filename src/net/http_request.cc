#include "net/http_request.h"

#include <algorithm>

namespace egressd::net {
namespace {

constexpr std::string_view kAcceptField = "accept";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

HttpMethod MethodOf(llhttp_t& parser) {
  switch (llhttp_get_method(&parser)) {
    case HTTP_GET: return HttpMethod::kGet;
    case HTTP_HEAD: return HttpMethod::kHead;
    default: return HttpMethod::kOther;
  }
}

}  // namespace

HttpRequestReader::HttpRequestReader() { llhttp_init(&parser_, HTTP_REQUEST, &Settings()); }

const llhttp_settings_t& HttpRequestReader::Settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    static const auto kSelf = [](llhttp_t* parser) -> HttpRequestReader& { return *static_cast<HttpRequestReader*>(parser->data); };
    settings.on_url = [](llhttp_t* parser, const char* at, std::size_t length) {
      kSelf(parser).request_.path.append(at, length);
      return 0;
    };
    settings.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      for (const char c : std::string_view(at, length)) kSelf(parser).field_ += Lower(c);
      return 0;
    };
    settings.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      HttpRequestReader& reader = kSelf(parser);
      if (reader.field_ == kAcceptField) reader.request_.accept.append(at, length);
      return 0;
    };
    settings.on_header_value_complete = [](llhttp_t* parser) {
      HttpRequestReader& reader = kSelf(parser);
      if (reader.field_ == kAcceptField) reader.request_.accept += ',';  // lines of one name are one list
      reader.field_.clear();
      return 0;
    };
    settings.on_headers_complete = [](llhttp_t* parser) {
      HttpRequestReader& reader = kSelf(parser);
      reader.is_complete_ = true;
      reader.request_.method = MethodOf(*parser);
      // Paused, so that neither a body nor a second request is looked at.
      return static_cast<int>(HPE_PAUSED);
    };
    return settings;
  }();
  return kSettings;
}

HttpRequestReader::Verdict HttpRequestReader::Feed(std::string_view bytes) {
  parser_.data = this;
  const std::string_view taken = bytes.substr(0, kLargestRequest - std::min(bytes_, kLargestRequest));
  bytes_ += bytes.size();
  const llhttp_errno_t status = llhttp_execute(&parser_, taken.data(), taken.size());
  if (is_complete_) {
    const bool has_body = (parser_.flags & F_CHUNKED) != 0 || parser_.content_length > 0;
    if (has_body) return Verdict::kBad;
    request_.path.resize(std::min(request_.path.find('?'), request_.path.size()));
    return Verdict::kComplete;
  }
  if (status != HPE_OK) return Verdict::kBad;
  return bytes_ >= kLargestRequest ? Verdict::kTooLarge : Verdict::kMore;
}

}  // namespace egressd::net
