#include "command_list.h"

#include <algorithm>

namespace ibt {
namespace {

constexpr uint64_t MADE_MAX = INT64_MAX;
// Behind a literal that was passed over there are a few commands and the next literal, elsewhere mostly commands.
constexpr size_t READ_AFTER_LITERAL = 4096;
constexpr size_t READ_BYTES = 65536;

[[noreturn]] void corrupt(const std::string& message) { throw EngineError(ErrorKind::delta_corrupt, message); }

void check_copy(uint64_t position, uint64_t length, int64_t basis_bytes) {
  if (basis_bytes == SIZE_UNKNOWN) return;
  const uint64_t size = uint64_t(basis_bytes);
  if (position <= size && length <= size - position) return;
  corrupt("Delta copies " + std::to_string(length) + " bytes at " + std::to_string(position) +
          " of a basis which the delta before it makes of " + std::to_string(size) + " bytes");
}

}  // namespace

void CommandList::add(uint32_t source, uint64_t from, uint64_t length) {
  const uint64_t start = made();
  if (length > MADE_MAX - start) corrupt("Delta that makes more than 2^63 bytes");
  if (!commands_.empty()) {
    Command& last = commands_.back();
    const uint64_t last_start = commands_.size() > 1 ? commands_[commands_.size() - 2].end : 0;
    if (last.source == source && last.from + (last.end - last_start) == from) {
      last.end += length;
      return;
    }
  }
  if (commands_.size() == COMMANDS_MAX) {
    corrupt("Deltas with more than " + std::to_string(COMMANDS_MAX) + " commands");
  }
  commands_.push_back({start + length, from, source});
}

void CommandList::add_part(const CommandList& other, uint64_t from, uint64_t length) {
  const auto ends_before = [](uint64_t position, const Command& command) { return position < command.end; };
  auto command = std::upper_bound(other.commands_.begin(), other.commands_.end(), from, ends_before);
  uint64_t start = command == other.commands_.begin() ? 0 : std::prev(command)->end;
  while (length > 0) {
    const uint64_t skipped = from - start, take = std::min(length, command->end - from);
    add(command->source, command->from + skipped, take);
    from += take;
    length -= take;
    start = command->end;
    ++command;
  }
}

CommandList read_commands(const DeltaInput& delta, uint32_t source, int64_t basis_bytes) {
  CommandList list;
  DeltaDecoder decoder;
  Bytes buffer(READ_BYTES);
  // Of the delta: where the buffer's first byte lies, and what is read next.
  uint64_t buffer_at = 0, next_at = 0;
  size_t want = READ_BYTES;
  for (;;) {
    switch (decoder.next()) {
      case DeltaDecoder::Next::need_input: {
        buffer_at = next_at;
        const size_t count = delta.read(buffer_at, buffer.data(), want);
        if (count == 0) decoder.finish();
        decoder.feed(buffer.data(), count);
        next_at += count;
        want = READ_BYTES;
        break;
      }
      case DeltaDecoder::Next::literal: {
        const uint64_t at = buffer_at + uint64_t(decoder.literal() - buffer.data());
        const uint64_t rest = decoder.skip_literal();
        list.add(source, at, decoder.length() + rest);
        if (rest > 0) want = READ_AFTER_LITERAL;
        next_at += rest;
        break;
      }
      case DeltaDecoder::Next::copy:
        check_copy(decoder.position(), decoder.length(), basis_bytes);
        list.add(CommandList::BASIS, decoder.position(), decoder.length());
        break;
      case DeltaDecoder::Next::end:
        return list;
    }
  }
}

}  // namespace ibt
