// The text that Prometheus reads: the format of its own (0.0.4), and OpenMetrics 1.0. Pure.
//
// 1. A name is given as Prometheus knows the series: counters end in _total, what only carries labels in _info.
// 2. A metric without samples is left out, with its description.
// Used by metrics.cc.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace egressd::daemon {

enum class Exposition : std::uint8_t { kPrometheus, kOpenMetrics };
// What a client that sends this Accept header gets.
Exposition ExpositionFor(std::string_view accept);
std::string_view ContentTypeOf(Exposition exposition);

enum class MetricType : std::uint8_t { kGauge, kCounter, kHistogram, kInfo };
std::string_view ToString(MetricType type);

struct Label {
  std::string_view name, value;
};
using Labels = std::initializer_list<Label>;

// The samples of one metric.
class Samples {
 public:
  explicit Samples(std::string_view name) : name_(name) {}
  void Add(Labels labels, std::uint64_t value);
  void Add(Labels labels, double value);
  // `counts` has one entry more than `bounds`, for what is above all of them; each counts for its own bucket alone.
  void AddHistogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum);
  const std::string& text() const { return text_; }

 private:
  void Line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value);

  std::string_view name_;
  std::string text_;
};

class ExpositionWriter {
 public:
  explicit ExpositionWriter(Exposition exposition) : exposition_(exposition) {}
  void Add(std::string_view name, MetricType type, std::string_view help, const Samples& samples);
  // The whole text.
  std::string Finish();

 private:
  Exposition exposition_;
  std::string text_;
};

}  // namespace egressd::daemon
