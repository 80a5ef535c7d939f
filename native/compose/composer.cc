#include <algorithm>
#include <utility>

#include "../delta/commands.h"
#include "../delta/opcodes.h"
#include "../hash/bytes.h"
#include "command_list.h"

namespace ibt {
namespace {

// librsync counts in an int what it passes on of a literal.
constexpr uint64_t LITERAL_MAX = uint64_t(1) << 30;
// Bytes of copies that are given at once.
constexpr size_t COPIES_BYTES = 4096;

}  // namespace

// A stack of lists, each of a power of two of deltas, as a counter in binary: every command is composed once for each
// doubling, and not once for each delta that follows.
struct DeltaComposer::State {
  struct Part {
    size_t deltas;
    CommandList list;
  };

  explicit State(std::function<void()> check) : budget(std::move(check)) {}

  CommandBudget budget;
  std::vector<Part> parts;
  uint32_t deltas = 0;
  int64_t made = SIZE_UNKNOWN;
  // Of what is given: the next command, the bytes before it, and those that the last head of a literal is for.
  bool begun = false, ended = false;
  size_t index = 0;
  uint64_t at = 0, literal_left = 0;

  // The last two parts become one: what the second copies is replaced by what the first makes there.
  void compose_last_two() {
    const Part second = std::move(parts.back());
    parts.pop_back();
    const CommandList first = std::move(parts.back().list);
    CommandList both(budget);
    size_t near = 0;
    for (size_t i = 0; i < second.list.size(); i++) {
      const Command& command = second.list[i];
      const uint64_t length = command.end - second.list.start(i);
      if (command.source == CommandList::BASIS) both.add_part(first, command.from, length, near);
      else both.add(command.source, command.from, length);
    }
    both.complete();
    parts.back().deltas += second.deltas;
    parts.back().list = std::move(both);
  }

  const CommandList& composed() {
    if (parts.empty()) throw EngineError(ErrorKind::parameter, "No delta to compose");
    while (parts.size() > 1) compose_last_two();
    return parts.front().list;
  }

  // Literals that follow each other are one command, whichever deltas hold them.
  uint64_t literal_length(const CommandList& list) const {
    size_t last = index;
    while (last + 1 < list.size() && list[last + 1].source != CommandList::BASIS && list[last].end - at < LITERAL_MAX) {
      last++;
    }
    return std::min(list[last].end - at, LITERAL_MAX);
  }
};

DeltaComposer::DeltaComposer(std::function<void()> check) : state_(std::make_unique<State>(std::move(check))) {}

DeltaComposer::~DeltaComposer() = default;

void DeltaComposer::add(const DeltaInput& delta) {
  State& s = *state_;
  CommandList list = read_commands(delta, s.deltas, s.made, s.budget);
  s.deltas++;
  s.made = int64_t(list.made());
  s.parts.push_back({1, std::move(list)});
  while (s.parts.size() > 1 && s.parts[s.parts.size() - 2].deltas == s.parts.back().deltas) s.compose_last_two();
}

bool DeltaComposer::next(Bytes& commands, LiteralRange& literal) {
  State& s = *state_;
  literal = {};
  if (s.ended) return false;
  const CommandList& list = s.composed();
  if (!s.begun) append_be(commands, DELTA_MAGIC, 4);
  s.begun = true;
  const size_t enough = commands.size() + COPIES_BYTES;
  for (; s.index < list.size() && commands.size() < enough; s.index++) {
    const Command& command = list[s.index];
    if (command.source == CommandList::BASIS) {
      append_copy(command.from, command.end - s.at, commands);
      s.at = command.end;
      continue;
    }
    if (s.literal_left == 0) append_literal_head(s.literal_left = s.literal_length(list), commands);
    const uint64_t length = std::min(command.end - s.at, s.literal_left);
    literal = {command.source, command.from + (s.at - list.start(s.index)), length};
    s.at += length;
    s.literal_left -= length;
    if (s.at == command.end) s.index++;
    return true;
  }
  s.ended = s.index == list.size();
  if (s.ended) commands.push_back(OP_END);
  return true;
}

void DeltaComposer::rewind() {
  State& s = *state_;
  s.begun = s.ended = false;
  s.index = 0;
  s.at = s.literal_left = 0;
}

uint64_t DeltaComposer::copies() {
  const CommandList& list = state_->composed();
  uint64_t count = 0;
  for (size_t i = 0; i < list.size(); i++) count += list[i].source == CommandList::BASIS;
  return count;
}

}  // namespace ibt
