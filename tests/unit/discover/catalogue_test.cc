#include "discover/catalogue.h"

#include <doctest/doctest.h>

#include <format>

namespace egressd::discover {
namespace {

Container Of(const std::string& id, const std::vector<std::string>& addresses, const std::string& app = "a") {
  Container container{.id = id, .workload = {.name = id, .labels = {{"app", app}}}};
  for (const std::string& address : addresses) container.workload.addresses.push_back(IpAddress::Parse(address).value());
  return container;
}

// "a=172.18.0.2 b gone"
std::string Told(Catalogue& catalogue, std::size_t at_most = 100) {
  std::string text;
  for (const ContainerChange& change : catalogue.Take(at_most)) {
    if (!text.empty()) text += ' ';
    text += change.id + (change.workload ? "=" : " gone");
    if (!change.workload) continue;
    for (const IpAddress& address : change.workload->addresses) text += address.ToString() + ',';
    text.pop_back();
  }
  return text;
}

TEST_CASE("changes are told once, and only changes") {
  Catalogue catalogue;
  catalogue.Set(Of("a", {"10.0.0.1", "fd00::1"}));
  catalogue.Set(Of("b", {"10.0.0.2"}));
  catalogue.Set(Of("none", {}));
  CHECK(catalogue.has_changes());
  CHECK(Told(catalogue, 1) == "a=10.0.0.1,fd00::1");
  CHECK(Told(catalogue) == "b=10.0.0.2");
  catalogue.Set(Of("a", {"10.0.0.1", "fd00::1"}));
  CHECK(!catalogue.has_changes());
  catalogue.Set(Of("a", {"10.0.0.1", "fd00::1"}, "other"));
  CHECK(Told(catalogue) == "a=10.0.0.1,fd00::1");
  catalogue.Set(Of("a", {}));
  CHECK(Told(catalogue) == "a gone");
  CHECK(catalogue.size() == 1);
}

TEST_CASE("an address has one owner, the one that was seen with it last, and its loss is told first") {
  Catalogue catalogue;
  catalogue.Set(Of("old", {"10.0.0.1", "10.0.0.9"}));
  catalogue.Set(Of("gone", {"10.0.0.2"}));
  Told(catalogue);
  catalogue.Set(Of("new", {"10.0.0.1", "10.0.0.2"}));
  CHECK(Told(catalogue) == "gone gone old=10.0.0.9 new=10.0.0.1,10.0.0.2");
  catalogue.Set(Of("old", {}));  // its end is heard of late: the address is another's
  CHECK(Told(catalogue) == "old gone");
  catalogue.Set(Of("new", {"10.0.0.2"}));
  catalogue.Set(Of("third", {"10.0.0.1"}));
  CHECK(Told(catalogue) == "new=10.0.0.2 third=10.0.0.1");
}

TEST_CASE("a list takes away what it does not name, but not what is known better") {
  Catalogue catalogue;
  catalogue.Set(Of("a", {"10.0.0.1"}));
  catalogue.Set(Of("b", {"10.0.0.2"}));
  catalogue.Set(Of("looked", {"10.0.0.3"}));
  Told(catalogue);
  CHECK(catalogue.Replace({Of("b", {"10.0.0.2"}), Of("c", {"10.0.0.4"})}, {"looked"}).empty());
  CHECK(Told(catalogue) == "a gone c=10.0.0.4");
  CHECK(catalogue.Replace({Of("b", {"10.0.0.2"}), Of("c", {"10.0.0.4"}), Of("looked", {"10.0.0.7"})}, {"looked"}).empty());
  CHECK(Told(catalogue).empty());
  catalogue.Replace({}, {});
  CHECK(catalogue.size() == 0);
}

TEST_CASE("who shares an address in a list is looked at first") {
  Catalogue catalogue;
  catalogue.Set(Of("owner", {"10.0.0.1"}));
  Told(catalogue);
  const auto doubtful = catalogue.Replace({Of("owner", {"10.0.0.1"}), Of("sharer", {"10.0.0.1"}), Of("c", {"10.0.0.3"})}, {});
  CHECK(doubtful == std::vector<std::string>{"owner", "sharer"});
  CHECK(Told(catalogue) == "c=10.0.0.3");
  CHECK(catalogue.size() == 2);
}

}  // namespace
}  // namespace egressd::discover
