#include "daemon/exposition.h"

#include <charconv>
#include <cmath>
#include <format>
#include <ranges>

#include "egressd/base/error.h"

namespace egressd::daemon {
namespace {

constexpr std::string_view kOpenMetricsType = "application/openmetrics-text";
constexpr std::string_view kTextType = "text/plain";
// Suffixes that name a unit.
constexpr std::string_view kUnits[] = {"seconds", "bytes", "ratio"};

std::string Escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return std::format("{}", value);
}

// "1.0", not "1": the canonical form of OpenMetrics, so that a bound is one label value in both formats.
std::string Bound(double value) {
  std::string text = Number(value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Of one entry of an Accept header (RFC 9110 section 12.4.2); what cannot be read is not wanted.
double QualityOf(std::string_view entry) {
  double quality = 1;
  for (const auto part : std::views::split(entry, ';') | std::views::drop(1)) {
    const std::string_view parameter = Trimmed(std::string_view(part));
    if (!parameter.starts_with("q=")) continue;
    const std::string_view digits = parameter.substr(2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), quality);
    if (error != std::errc() || end != digits.data() + digits.size() || !(quality >= 0 && quality <= 1)) return 0;
  }
  return quality;
}

}  // namespace

Exposition ExpositionFor(std::string_view accept) {
  double open_metrics = 0, text = 0;
  for (const auto part : std::views::split(accept, ',')) {
    const std::string_view entry = Trimmed(std::string_view(part));
    const std::string_view type = Trimmed(entry.substr(0, entry.find(';')));
    if (type == kOpenMetricsType) open_metrics = std::max(open_metrics, QualityOf(entry));
    if (type == kTextType) text = std::max(text, QualityOf(entry));
  }
  return open_metrics > 0 && open_metrics >= text ? Exposition::kOpenMetrics : Exposition::kPrometheus;
}

std::string_view ContentTypeOf(Exposition exposition) {
  return exposition == Exposition::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                                : "text/plain; version=0.0.4; charset=utf-8";
}

std::string_view ToString(MetricType type) {
  switch (type) {
    case MetricType::kGauge: return "gauge";
    case MetricType::kCounter: return "counter";
    case MetricType::kHistogram: return "histogram";
    case MetricType::kInfo: break;
  }
  return "info";
}

void Samples::Line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  char separator = '{';
  const auto add = [&](std::string_view name, std::string_view label) {
    text_ += std::format("{}{}=\"{}\"", separator, name, Escaped(label));
    separator = ',';
  };
  for (const Label& label : labels) add(label.name, label.value);
  if (!bound.empty()) add("le", bound);
  if (separator == ',') text_ += '}';
  text_ += std::format(" {}\n", value);
}

void Samples::Add(Labels labels, std::uint64_t value) { Line("", labels, "", std::to_string(value)); }
void Samples::Add(Labels labels, double value) { Line("", labels, "", Number(value)); }

void Samples::AddHistogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum) {
  EGRESSD_ASSERT(counts.size() == bounds.size() + 1);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    Line("_bucket", labels, i < bounds.size() ? Bound(bounds[i]) : "+Inf", std::to_string(total));
  }
  Line("_sum", labels, "", Number(sum));
  Line("_count", labels, "", std::to_string(total));
}

void ExpositionWriter::Add(std::string_view name, MetricType type, std::string_view help, const Samples& samples) {
  if (samples.text().empty()) return;
  // OpenMetrics names the family, without the suffix of its type; the other format does not know info.
  std::string_view family = name;
  std::string_view type_name = ToString(type);
  if (exposition_ == Exposition::kOpenMetrics) {
    if (type == MetricType::kCounter) family.remove_suffix(std::string_view("_total").size());
    if (type == MetricType::kInfo) family.remove_suffix(std::string_view("_info").size());
  } else if (type == MetricType::kInfo) {
    type_name = ToString(MetricType::kGauge);
  }
  text_ += std::format("# HELP {} {}\n# TYPE {} {}\n", family, help, family, type_name);
  for (const std::string_view unit : kUnits) {
    const bool has_unit = family.ends_with(unit) && family.size() > unit.size() && family[family.size() - unit.size() - 1] == '_';
    if (has_unit && exposition_ == Exposition::kOpenMetrics) text_ += std::format("# UNIT {} {}\n", family, unit);
  }
  text_ += samples.text();
}

std::string ExpositionWriter::Finish() {
  if (exposition_ == Exposition::kOpenMetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace egressd::daemon
