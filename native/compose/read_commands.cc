#include "command_list.h"

namespace ibt {
namespace {

// Behind a literal that was passed over there are a few commands and the next literal, elsewhere mostly commands.
constexpr size_t READ_AFTER_LITERAL = 512;
constexpr size_t READ_BYTES = 65536;

void check_copy(uint64_t position, uint64_t length, int64_t basis_bytes) {
  if (basis_bytes == SIZE_UNKNOWN) return;
  const uint64_t size = uint64_t(basis_bytes);
  if (position <= size && length <= size - position) return;
  throw EngineError(ErrorKind::delta_corrupt,
                    "Delta copies " + std::to_string(length) + " bytes at " + std::to_string(position) +
                        " of a basis which the delta before it makes of " + std::to_string(size) + " bytes");
}

}  // namespace

CommandList read_commands(const DeltaInput& delta, uint32_t source, int64_t basis_bytes, CommandBudget& budget) {
  CommandList list(budget);
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
        list.complete();
        return list;
    }
  }
}

}  // namespace ibt
