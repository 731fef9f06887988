// The methods of io.egressd: what each does with the core, and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/answers.h"
#include "daemon/core.h"
#include "daemon/exposition.h"
#include "daemon/journal.h"
#include "egressd/control/server.h"

namespace egressd::daemon {

class Service {
 public:
  struct Edges {
    std::function<std::vector<agent::Health>()> health;           // what only the daemon knows
    std::function<void(std::shared_ptr<control::Call>)> reload;   // answers the call
    std::function<void()> applied;                                // an operator's policy came into force
    std::function<KeyFile()> key_file;
    std::function<void(Exposition, std::function<void(const std::string&)>)> metrics;
  };
  Service(Core& core, Journal& journal, Edges edges);

  void Serve(std::shared_ptr<control::Call> call);

 private:
  using Method = void (Service::*)(std::shared_ptr<control::Call>);
  struct Entry {
    const char* name;
    Method method;
  };
  static const Entry kMethods[];

  void GetStatus(std::shared_ptr<control::Call> call);
  void Validate(std::shared_ptr<control::Call> call);
  void Diff(std::shared_ptr<control::Call> call);
  void Apply(std::shared_ptr<control::Call> call);
  void Reload(std::shared_ptr<control::Call> call);
  void Drain(std::shared_ptr<control::Call> call);     // this and the next two in orders.cc
  void Undrain(std::shared_ptr<control::Call> call);
  void Move(std::shared_ptr<control::Call> call);
  void List(std::shared_ptr<control::Call> call);
  void Explain(std::shared_ptr<control::Call> call);
  void Events(std::shared_ptr<control::Call> call);
  void Metrics(std::shared_ptr<control::Call> call);
  void GetPolicy(std::shared_ptr<control::Call> call);
  void Keys(std::shared_ptr<control::Call> call);
  void Version(std::shared_ptr<control::Call> call);
  void ExportKeys(control::Call& call);

  // For the journal: who ordered what.
  void Record(const control::Call& call, std::string kind, std::string object, std::string order);

  Core* core_;
  Journal* journal_;
  Edges edges_;
};

}  // namespace egressd::daemon
