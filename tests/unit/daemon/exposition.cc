#include "daemon/exposition.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

namespace egressd::daemon {
namespace {

std::string TextOf(Exposition exposition, std::string_view name, MetricType type, const Samples& samples) {
  ExpositionWriter writer(exposition);
  writer.Add(name, type, "Help.", samples);
  return writer.Finish();
}

TEST_CASE("exposition: label values are escaped, whatever is in them") {
  Samples samples("m");
  samples.Add({{"a", "back\\slash"}, {"b", "quo\"te"}, {"c", "li\nne"}, {"d", "ä}={,"}}, std::uint64_t{1});
  CHECK(samples.text() == "m{a=\"back\\\\slash\",b=\"quo\\\"te\",c=\"li\\nne\",d=\"ä}={,\"} 1\n");
}

TEST_CASE("exposition: numbers are as Prometheus reads them, integers to the last digit") {
  Samples samples("m");
  samples.Add({}, std::numeric_limits<std::uint64_t>::max());
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double value : {0.25, 1e-7, 1763773805.0, std::nan(""), kInfinity, -kInfinity}) samples.Add({}, value);
  CHECK(samples.text() == "m 18446744073709551615\nm 0.25\nm 1e-07\nm 1763773805\nm NaN\nm +Inf\nm -Inf\n");
}

TEST_CASE("exposition: a histogram adds up, and its last bucket is its count") {
  Samples samples("m_seconds");
  samples.AddHistogram({{"g", "x"}}, std::array{0.5, 1.0}, std::array<std::uint64_t, 3>{2, 3, 4}, 12.5);
  CHECK(samples.text() ==
        "m_seconds_bucket{g=\"x\",le=\"0.5\"} 2\nm_seconds_bucket{g=\"x\",le=\"1.0\"} 5\nm_seconds_bucket{g=\"x\",le=\"+Inf\"} 9\n"
        "m_seconds_sum{g=\"x\"} 12.5\nm_seconds_count{g=\"x\"} 9\n");
}

TEST_CASE("exposition: families are named as each format wants them") {
  Samples bytes("m_bytes_total"), version("v_info");
  bytes.Add({}, std::uint64_t{7});
  version.Add({}, std::uint64_t{1});
  CHECK(TextOf(Exposition::kPrometheus, "m_bytes_total", MetricType::kCounter, bytes) ==
        "# HELP m_bytes_total Help.\n# TYPE m_bytes_total counter\nm_bytes_total 7\n");
  CHECK(TextOf(Exposition::kOpenMetrics, "m_bytes_total", MetricType::kCounter, bytes) ==
        "# HELP m_bytes Help.\n# TYPE m_bytes counter\n# UNIT m_bytes bytes\nm_bytes_total 7\n# EOF\n");
  CHECK(TextOf(Exposition::kPrometheus, "v_info", MetricType::kInfo, version) == "# HELP v_info Help.\n# TYPE v_info gauge\nv_info 1\n");
  CHECK(TextOf(Exposition::kOpenMetrics, "v_info", MetricType::kInfo, version) == "# HELP v Help.\n# TYPE v info\nv_info 1\n# EOF\n");
}

TEST_CASE("exposition: without samples nothing is said") {
  CHECK(TextOf(Exposition::kPrometheus, "m", MetricType::kGauge, Samples("m")).empty());
  CHECK(TextOf(Exposition::kOpenMetrics, "m", MetricType::kGauge, Samples("m")) == "# EOF\n");
}

TEST_CASE("exposition: a client gets the format that it prefers") {
  using enum Exposition;
  CHECK(ExpositionFor("") == kPrometheus);
  CHECK(ExpositionFor("*/*") == kPrometheus);
  CHECK(ExpositionFor("text/plain") == kPrometheus);
  CHECK(ExpositionFor("application/openmetrics-text") == kOpenMetrics);
  // What Prometheus 2 and 3 send.
  CHECK(ExpositionFor("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1,") == kOpenMetrics);
  CHECK(ExpositionFor("text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5") == kPrometheus);
  CHECK(ExpositionFor("application/openmetrics-text;q=0") == kPrometheus);
  CHECK(ExpositionFor("application/openmetrics-text;q=nan") == kPrometheus);
  CHECK(ExpositionFor("application/openmetrics-text;q=1x") == kPrometheus);
  CHECK(ExpositionFor(",;,q=,;;application/openmetrics-textx") == kPrometheus);
}

}  // namespace
}  // namespace egressd::daemon
