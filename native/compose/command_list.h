// The commands of a delta in memory, without the bytes of its literals.
#pragma once
#include <cstdlib>

#include "../engine.h"

namespace ibt {

// Makes the bytes of the new content from those of the command before it (or 0) up to `end`.
struct Command {
  uint64_t end;
  // A copy: the position in the basis. A literal: the position of its bytes in its delta.
  uint64_t from;
  // BASIS of a copy, else the number of the delta that holds the literal.
  uint32_t source;
};

// What the lists of one composition may hold together, and what asks whether to go on.
class CommandBudget {
 public:
  // Deltas that copy the same commands again and again would fill any memory.
  static constexpr size_t COMMANDS_MAX = size_t(1) << 24;

  explicit CommandBudget(std::function<void()> check) : check_(std::move(check)) {}
  CommandBudget(const CommandBudget&) = delete;
  CommandBudget& operator=(const CommandBudget&) = delete;
  // As many as are wanted, or as are left. Throws EngineError delta_corrupt if none is.
  size_t take(size_t wanted);
  void give_back(size_t count) { left_ += count; }
  void check() const { check_(); }

 private:
  const std::function<void()> check_;
  size_t left_ = COMMANDS_MAX;
};

// In the order of the new content; what continues the command before it is joined to it. Memory: 24 bytes a command,
// also while it grows, as the system moves large memory without a copy.
class CommandList {
 public:
  static constexpr uint32_t BASIS = 0xffffffff;

  explicit CommandList(CommandBudget& budget) : budget_(&budget) {}
  CommandList(CommandList&& other) noexcept;
  CommandList& operator=(CommandList&& other) noexcept;
  ~CommandList();

  // Throws EngineError delta_corrupt beyond the budget or 2^63 bytes.
  void add(uint32_t source, uint64_t from, uint64_t length);
  // Adds what the other list makes from `from` on; it must make that much. `near`: where in the other list it was found
  // last, for copies that follow each other.
  void add_part(const CommandList& other, uint64_t from, uint64_t length, size_t& near);
  // No more is added: gives back what was taken for more.
  void complete();

  // Bytes of the new content.
  uint64_t made() const { return size_ == 0 ? 0 : commands_[size_ - 1].end; }
  uint64_t start(size_t index) const { return index == 0 ? 0 : commands_[index - 1].end; }
  size_t size() const { return size_; }
  const Command& operator[](size_t index) const { return commands_[index]; }

 private:
  size_t find(uint64_t position, size_t near) const;
  void grow();
  void resize(size_t capacity);

  CommandBudget* budget_;
  Command* commands_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  size_t until_check_ = 0;
};

// What `second` copies is replaced by what `first` makes there, which must be that much.
CommandList compose_lists(const CommandList& first, const CommandList& second, CommandBudget& budget);

// Reads the commands of a delta whose basis has this many bytes, or SIZE_UNKNOWN; literals are passed over. Throws
// EngineError: bad_magic, input_ended, and delta_corrupt also of a copy beyond the basis.
CommandList read_commands(const DeltaInput& delta, uint32_t source, int64_t basis_bytes, CommandBudget& budget);

}  // namespace ibt
