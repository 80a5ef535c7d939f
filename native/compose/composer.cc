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
// Commands between two checks.
constexpr size_t CHECK_EVERY = 4096;

}  // namespace

// A stack of lists, each of a power of two of deltas, as a counter in binary: every command is composed once for each
// doubling, and not once for each delta that follows.
struct DeltaComposer::State {
  struct Part {
    size_t deltas;
    CommandList list;
  };

  std::function<void()> check;
  std::vector<Part> parts;
  uint32_t deltas = 0;
  int64_t made = SIZE_UNKNOWN;

  // The last two parts become one: what the second copies is replaced by what the first makes there.
  void compose_last_two() {
    const Part second = std::move(parts.back());
    parts.pop_back();
    const CommandList first = std::move(parts.back().list);
    CommandList both;
    uint64_t start = 0;
    size_t until_check = CHECK_EVERY;
    for (const Command& command : second.list.commands()) {
      const uint64_t length = command.end - start;
      if (command.source == CommandList::BASIS) both.add_part(first, command.from, length);
      else both.add(command.source, command.from, length);
      start = command.end;
      if (--until_check > 0) continue;
      until_check = CHECK_EVERY;
      check();
    }
    parts.back().deltas += second.deltas;
    parts.back().list = std::move(both);
  }
};

DeltaComposer::DeltaComposer(std::function<void()> check) : state_(std::make_unique<State>()) {
  state_->check = std::move(check);
}

DeltaComposer::~DeltaComposer() = default;

void DeltaComposer::add(const DeltaInput& delta) {
  State& s = *state_;
  CommandList list = read_commands(delta, s.deltas, s.made);
  s.deltas++;
  s.made = int64_t(list.made());
  s.parts.push_back({1, std::move(list)});
  while (s.parts.size() > 1 && s.parts[s.parts.size() - 2].deltas == s.parts.back().deltas) s.compose_last_two();
}

void DeltaComposer::write(DeltaSink& sink) {
  State& s = *state_;
  if (s.parts.empty()) throw EngineError(ErrorKind::parameter, "No delta to compose");
  while (s.parts.size() > 1) s.compose_last_two();
  const std::vector<Command>& commands = s.parts.front().list.commands();
  Bytes head;
  append_be(head, DELTA_MAGIC, 4);
  uint64_t start = 0, literal_left = 0;
  // Literals that follow each other are one command, whichever deltas hold them.
  for (size_t i = 0; i < commands.size(); i++) {
    const Command& command = commands[i];
    if (command.source == CommandList::BASIS) {
      append_copy(command.from, command.end - start, head);
      start = command.end;
    }
    for (uint64_t from = command.from; start < command.end;) {
      if (literal_left == 0) {
        size_t last = i;
        while (last + 1 < commands.size() && commands[last + 1].source != CommandList::BASIS) last++;
        literal_left = std::min(commands[last].end - start, LITERAL_MAX);
        append_literal_head(literal_left, head);
        sink.commands(head.data(), head.size());
        head.clear();
      }
      const uint64_t length = std::min(command.end - start, literal_left);
      sink.literal(command.source, from, length);
      from += length;
      start += length;
      literal_left -= length;
    }
    if (head.size() >= CHECK_EVERY) {
      sink.commands(head.data(), head.size());
      head.clear();
    }
  }
  head.push_back(OP_END);
  sink.commands(head.data(), head.size());
}

}  // namespace ibt
