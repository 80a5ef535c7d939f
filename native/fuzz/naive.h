// The delta format read and applied in the simplest way, with all of it at hand: what the engine is compared with.
#pragma once
#include "fuzz.h"

namespace ibt::fuzz {

struct NaiveCommand {
  bool is_copy;
  uint64_t position;
  uint64_t length;
  Bytes literal;
  bool operator==(const NaiveCommand& other) const {
    return is_copy == other.is_copy && position == other.position && length == other.length && literal == other.literal;
  }
};

inline std::vector<NaiveCommand> naive_commands(const Bytes& delta) {
  size_t at = 0;
  const auto integer = [&](unsigned width) {
    if (delta.size() - at < width) throw EngineError(ErrorKind::input_ended, "cut");
    uint64_t value = 0;
    while (width-- > 0) value = value << 8 | delta[at++];
    return value;
  };
  if (integer(4) != 0x72730236) throw EngineError(ErrorKind::bad_magic, "magic");
  std::vector<NaiveCommand> commands;
  for (;;) {
    const unsigned opcode = unsigned(integer(1));
    if (opcode == 0) return commands;
    if (opcode > 0x54) throw EngineError(ErrorKind::delta_corrupt, "reserved");
    NaiveCommand command = {opcode >= 0x45, 0, opcode, {}};
    if (command.is_copy) {
      const unsigned widths = opcode - 0x45;
      if (delta.size() - at < (1u << widths / 4) + (1u << widths % 4)) throw EngineError(ErrorKind::input_ended, "cut");
      command.position = integer(1u << widths / 4);
      command.length = integer(1u << widths % 4);
    } else if (opcode > 0x40) {
      command.length = integer(1u << (opcode - 0x41));
    }
    const uint64_t most = uint64_t(1) << 63;
    if (command.length == 0 || command.length >= most || command.position >= most - command.length) {
      throw EngineError(ErrorKind::delta_corrupt, "length");
    }
    if (!command.is_copy) {
      if (delta.size() - at < command.length) throw EngineError(ErrorKind::input_ended, "cut");
      command.literal.assign(delta.begin() + std::ptrdiff_t(at), delta.begin() + std::ptrdiff_t(at + command.length));
      at += command.length;
    }
    commands.push_back(std::move(command));
  }
}

// Throws basis_mismatch for a copy beyond the basis, and std::length_error beyond `most` bytes.
inline Bytes naive_patch(const Bytes& basis, const std::vector<NaiveCommand>& commands, size_t most = size_t(1) << 30) {
  Bytes made;
  for (const NaiveCommand& command : commands) {
    if (command.is_copy && (command.position > basis.size() || command.length > basis.size() - command.position)) {
      throw EngineError(ErrorKind::basis_mismatch, "beyond the basis");
    }
    if (command.length > most - made.size()) throw std::length_error("too long for a fuzzer");
    const auto from = command.is_copy ? basis.begin() + std::ptrdiff_t(command.position) : command.literal.begin();
    made.insert(made.end(), from, from + std::ptrdiff_t(command.length));
  }
  return made;
}

}  // namespace ibt::fuzz
