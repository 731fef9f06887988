#include "daemon/metrics_endpoint.h"

#include <algorithm>
#include <format>
#include <utility>

#include "daemon/event_loop.h"
#include "daemon/log.h"

namespace egressd::daemon {
namespace {

constexpr Duration kAfterFailure{5'000'000};

}  // namespace

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Open(const policy::NodeConfig::Metrics& config, Scrape& scrape,
                                                               std::function<std::string()> not_ready) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint(config, scrape, std::move(not_ready)));
  auto server = net::HttpServer::Open([self = endpoint.get()](std::uint64_t connection, const net::HttpRequest& request) {
    self->Serve(connection, request);
  });
  if (!server) return std::unexpected(std::move(server.error()).In("metrics"));
  endpoint->server_ = std::move(*server);
  endpoint->Listen();
  return endpoint;
}

void MetricsEndpoint::Listen() {
  const bool before = trouble_.has_value();
  const auto listening = server_->Listen(config_.address, config_.port);
  if (listening) {
    trouble_.reset();
    listen_at_ = kNever;
    Info(std::format("metrics on http://{}/metrics", server_->endpoint()->ToString()));
    return;
  }
  listen_at_ = EventLoop::Now() + kAfterFailure;
  trouble_ = {.code = "W159",
              .object = "metrics",
              .text = "metrics are not served: " + listening.error().message,
              .hint = "give metrics.listen of the node file a free address of this host, or write metrics: off; tried again every 5 s"};
  if (!before) Warn(trouble_->text);
}

void MetricsEndpoint::OnReady() { server_->OnReady(EventLoop::Now()); }

void MetricsEndpoint::OnTimer() {
  const Time now = EventLoop::Now();
  if (listen_at_ <= now) Listen();
  if (server_->NextTimer() <= now) server_->OnTimer(now);
}

Time MetricsEndpoint::NextTimer() const { return std::min(listen_at_, server_->NextTimer()); }

void MetricsEndpoint::Serve(std::uint64_t connection, const net::HttpRequest& request) {
  if (request.path == "/metrics") {
    const Exposition exposition = ExpositionFor(request.accept);
    return scrape_->Ask(exposition, [this, connection, exposition](const std::string& text) {
      server_->Respond(connection, {.content_type = std::string(ContentTypeOf(exposition)), .body = text});
    });
  }
  if (request.path == "/healthz") return server_->Respond(connection, {.body = "ok\n"});
  if (request.path == "/readyz") {
    const std::string reason = not_ready_();
    if (reason.empty()) return server_->Respond(connection, {.body = "ready\n"});
    return server_->Respond(connection, {.status = 503, .body = std::format("not ready: {}\n", reason)});
  }
  server_->Respond(connection, {.status = 404, .body = "/metrics, /healthz, /readyz\n"});
}

}  // namespace egressd::daemon
