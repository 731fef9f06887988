#include "daemon/scrape.h"

#include <utility>

#include "daemon/event_loop.h"
#include "daemon/metrics.h"

namespace egressd::daemon {
namespace {

constexpr Duration kShared{250'000};

}  // namespace

void Scrape::Ask(Exposition exposition, Done done) {
  const auto is_fresh = [this, exposition] {
    const auto known = texts_.find(exposition);
    return known != texts_.end() && EventLoop::Now() - known->second.made_at < kShared;
  };
  if (is_fresh()) return done(texts_[exposition].text);
  Counts::Ask(*core_, [this, exposition, is_fresh, done = std::move(done)](const Counts& counts) {
    // Several may have waited for the same count.
    if (!is_fresh()) {
      texts_[exposition] = {.made_at = EventLoop::Now(), .text = MetricsText(TakeSnapshot(*core_, counts, facts_()), exposition)};
    }
    done(texts_[exposition].text);
  });
}

}  // namespace egressd::daemon
