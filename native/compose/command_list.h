// The commands of a delta in memory, without the bytes of its literals.
#pragma once
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

// In the order of the new content. Memory: 24 bytes a command; what continues the command before it is joined to it.
class CommandList {
 public:
  static constexpr uint32_t BASIS = 0xffffffff;
  // Deltas that copy the same commands again and again would fill any memory.
  static constexpr size_t COMMANDS_MAX = size_t(1) << 24;

  // Throws EngineError delta_corrupt beyond COMMANDS_MAX or 2^63 bytes.
  void add(uint32_t source, uint64_t from, uint64_t length);
  // Adds what the other list makes from `from` on; it must make that much.
  void add_part(const CommandList& other, uint64_t from, uint64_t length);
  // Bytes of the new content.
  uint64_t made() const { return commands_.empty() ? 0 : commands_.back().end; }
  const std::vector<Command>& commands() const { return commands_; }

 private:
  std::vector<Command> commands_;
};

// Reads the commands of a delta whose basis has this many bytes, or SIZE_UNKNOWN; literals are passed over. Throws
// EngineError: bad_magic, input_ended, and delta_corrupt also of a copy beyond the basis.
CommandList read_commands(const DeltaInput& delta, uint32_t source, int64_t basis_bytes);

}  // namespace ibt
