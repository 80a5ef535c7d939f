#include <utility>

#include "list_writer.h"

namespace ibt {

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
  ListWriter writer;

  // The last two parts become one: what the second copies is replaced by what the first makes there.
  void compose_last_two() {
    const Part second = std::move(parts.back());
    parts.pop_back();
    const CommandList first = std::move(parts.back().list);
    CommandList both = compose_lists(first, second.list, budget);
    parts.back().deltas += second.deltas;
    parts.back().list = std::move(both);
  }

  const CommandList& composed() {
    if (parts.empty()) throw EngineError(ErrorKind::parameter, "No delta to compose");
    while (parts.size() > 1) compose_last_two();
    return parts.front().list;
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
  return state_->writer.next(state_->composed(), commands, literal);
}

void DeltaComposer::rewind() { state_->writer.rewind(); }

uint64_t DeltaComposer::copies() {
  const CommandList& list = state_->composed();
  uint64_t count = 0;
  for (size_t i = 0; i < list.size(); i++) count += list[i].source == CommandList::BASIS;
  return count;
}

}  // namespace ibt
