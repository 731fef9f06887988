#include "ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <format>
#include <memory>
#include <numeric>
#include <string_view>
#include <unistd.h>

#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

namespace {

constexpr std::string_view kFormats[] = {"table", "wide", "json", "yaml", "name"};

constexpr const char* kFooter = R"(
Environment: EGRESSD_SOCKET, EGRESSD_CONFIG, NO_COLOR.
Exit codes: 0 done, 1 failed or negative answer, 2 usage, 3 daemon not running, 4 no permission, 5 no such object, 6 timed out,
            78 invalid configuration.
See egressctl(1), egress-policy(5).)";

struct Globals {
  std::string socket = "/run/egressd/control.sock";
  std::string config = "/etc/egressd/egressd.yaml";
  std::string output = "table";
  std::string color = "auto";
  bool quiet = false;
};

void AddGlobals(CLI::App& app, Globals& globals) {
  app.add_option("--socket", globals.socket, "control socket of the daemon")
      ->envname("EGRESSD_SOCKET")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option("--config", globals.config, "node file")->envname("EGRESSD_CONFIG")->type_name("FILE")->capture_default_str();
  app.add_option("-o,--output", globals.output, "table, wide, json, yaml or name")->type_name("FORMAT")->capture_default_str();
  app.add_option("--color", globals.color, "auto, always or never")->type_name("WHEN")->capture_default_str();
  app.add_flag("-q,--quiet", globals.quiet, "say nothing when all is well");
}

// What the options and arguments of one verb hold; their addresses are CLI11's to write to.
struct Slots {
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, std::string> words;
  std::map<std::string, bool> switches;
};

std::string LongName(const std::string& names) {
  const std::size_t at = names.rfind("--");
  return names.substr(at + 2);
}

void AddVerb(CLI::App& app, const Verb& verb, Slots& slots) {
  CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
  sub->fallthrough();
  for (const Argument& argument : verb.arguments) {
    auto* added = sub->add_option(argument.name, slots.words[argument.name], argument.help)->type_name("");
    if (argument.required) added->required();
  }
  for (const Option& option : verb.options) {
    const std::string name = LongName(option.names);
    if (option.value == nullptr) {
      sub->add_flag(option.names, slots.switches[name], option.help);
    } else {
      sub->add_option(option.names, slots.values[name], option.help)
          ->type_name(option.value)
          ->expected(1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
  }
}

std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::vector<std::string> VerbNames() {
  std::vector<std::string> out;
  for (const Verb& verb : Verbs()) out.emplace_back(verb.name);
  return out;
}

// The first word that is neither an option nor the value of one; "" = none.
std::string FirstWord(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with('-')) return word;
    if (word == "--socket" || word == "--config" || word == "-o" || word == "--output" || word == "--color") ++i;
  }
  return "";
}

std::optional<Instead> Refuse(const std::vector<std::string>& words) {
  const std::string verb = FirstWord(words);
  const auto names = VerbNames();
  if (verb.empty() || std::ranges::find(names, verb) != names.end()) return std::nullopt;
  const std::string near = Nearest(verb, names);
  return Instead{.exit_code = kUsage,
                 .text = std::format("egressctl: unknown verb '{}'{}\nTry 'egressctl --help'.\n", verb,
                                     near.empty() ? "" : std::format("; did you mean '{}'?", near))};
}

bool WantsColor(const std::string& when) {
  if (when != "auto") return when == "always";
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

// What the help of a verb begins with.
std::string ExamplesOf(const std::string& name) {
  const auto verb = std::ranges::find(Verbs(), name, &Verb::name);
  if (verb == Verbs().end() || verb->example == nullptr) return "";
  std::string out = "Examples:\n  ";
  for (const char c : std::string_view(verb->example)) out += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return out + "\n\n";
}

std::expected<Arguments, Instead> Collect(const CLI::App& app, const Globals& globals, std::map<std::string, Slots>& slots) {
  Arguments out{.color = WantsColor(globals.color), .quiet = globals.quiet, .socket = globals.socket, .config = globals.config};
  const auto* format = std::ranges::find(kFormats, globals.output);
  if (format == std::end(kFormats)) {
    return std::unexpected(Instead{.text = std::format("egressctl: unknown format '{}': table, wide, json, yaml, name\n", globals.output)});
  }
  out.format = static_cast<Format>(format - std::begin(kFormats));
  if (globals.color != "auto" && globals.color != "always" && globals.color != "never") {
    return std::unexpected(Instead{.text = std::format("egressctl: --color: unknown '{}': auto, always, never\n", globals.color)});
  }
  out.verb = app.get_subcommands().front()->get_name();
  for (auto& [name, values] : slots[out.verb].values) {
    if (!values.empty()) out.values[name] = std::move(values);
  }
  for (const auto& [name, word] : slots[out.verb].words) {
    if (!word.empty()) out.values[name] = {word};
  }
  for (const auto& [name, given] : slots[out.verb].switches) {
    if (given) out.values[name] = {};
  }
  return out;
}

}  // namespace

std::string Nearest(const std::string& word, const std::vector<std::string>& names) {
  std::string best;
  std::size_t distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const std::size_t here = name.starts_with(word) && word.size() > 1 ? 1 : Distance(word, name);
    if (here < distance) {
      distance = here;
      best = name;
    }
  }
  return best;
}

std::expected<Arguments, Instead> ReadCommandLine(int argument_count, char** arguments) {
  std::vector<std::string> words(arguments + std::min(argument_count, 1), arguments + argument_count);
  if (words.size() == 1 && words[0] == "--version") words[0] = "version";
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    if (const auto refused = Refuse(words)) return std::unexpected(*refused);
    words.emplace_back("--help");
  }
  if (const auto refused = Refuse(words)) return std::unexpected(*refused);

  CLI::App app{"egressctl - look at egressd and tell it what to do", "egressctl"};
  app.footer(kFooter);
  app.require_subcommand(1);
  Globals globals;
  AddGlobals(app, globals);
  std::map<std::string, Slots> slots;
  for (const Verb& verb : Verbs()) AddVerb(app, verb, slots[verb.name]);
  const bool nothing = words.empty();
  try {
    std::ranges::reverse(words);  // as CLI11 wants them
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    if (chosen.empty()) return std::unexpected(Instead{.exit_code = kDone, .text = app.help()});
    return std::unexpected(Instead{.exit_code = kDone, .text = ExamplesOf(chosen.front()->get_name()) + chosen.front()->help()});
  } catch (const CLI::ParseError& error) {
    if (nothing) return std::unexpected(Instead{.text = app.help()});
    return std::unexpected(Instead{.text = std::format("egressctl: {}\nTry 'egressctl --help'.\n", error.what())});
  }
  return Collect(app, globals, slots);
}

}  // namespace egressd::ctl
