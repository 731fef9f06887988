#include "daemon/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <format>
#include <memory>
#include <string>

namespace egressd::daemon {

namespace {

// $JOURNAL_STREAM names device and inode of the stream that leads to the journal (systemd.exec(5)); a redirected stderr is another one.
bool LeadsToJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat is{};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &is) < 0) return false;
  return std::format("{}:{}", is.st_dev, is.st_ino) == stream;
}

int Priority(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
    case spdlog::level::err: return 3;
    case spdlog::level::warn: return 4;
    case spdlog::level::info: return 6;
    default: return 7;
  }
}

class JournalFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string prefix = std::format("<{}>", Priority(message.level));
    std::string_view rest(message.payload.data(), message.payload.size());
    while (!rest.empty()) {  // each line is a journal entry of its own
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      out.append(prefix).append(rest.substr(0, end)).append("\n");
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JournalFormatter>(); }
};

}  // namespace

bool StartLog(std::string_view level) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off || parsed == spdlog::level::critical) return false;
  auto logger = std::make_shared<spdlog::logger>("egressd", std::make_shared<spdlog::sinks::stderr_sink_st>());
  if (LeadsToJournal()) {
    logger->set_formatter(std::make_unique<JournalFormatter>());
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
  }
  logger->set_level(parsed);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  return true;
}

bool IsDebugging() { return spdlog::default_logger_raw()->should_log(spdlog::level::debug); }
void Debug(std::string_view text) { spdlog::default_logger_raw()->log(spdlog::level::debug, text); }
void Info(std::string_view text) { spdlog::default_logger_raw()->log(spdlog::level::info, text); }
void Warn(std::string_view text) { spdlog::default_logger_raw()->log(spdlog::level::warn, text); }
void Complain(std::string_view text) { spdlog::default_logger_raw()->log(spdlog::level::err, text); }

}  // namespace egressd::daemon
