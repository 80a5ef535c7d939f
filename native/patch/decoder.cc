#include <algorithm>
#include <cstring>
#include <utility>

#include "../delta/opcodes.h"
#include "../engine.h"
#include "../hash/bytes.h"

namespace ibt {
namespace {

// Files have signed 64-bit sizes.
constexpr uint64_t POSITION_MAX = INT64_MAX;

[[noreturn]] void corrupt(const std::string& message) { throw EngineError(ErrorKind::delta_corrupt, message); }

// Bytes of a command's header, of its opcode and what follows it.
unsigned position_width(uint8_t opcode) { return opcode >= OP_COPY ? 1u << (opcode - OP_COPY) / 4 : 0; }

unsigned length_width(uint8_t opcode) {
  if (opcode <= OP_LITERAL_SHORT_MAX) return 0;
  return 1u << (opcode < OP_COPY ? opcode - OP_LITERAL : (opcode - OP_COPY) % 4);
}

}  // namespace

struct DeltaDecoder::State {
  const uint8_t* input = nullptr;
  size_t available = 0;
  // The magic, then each command's header, as far as it has come.
  uint8_t head[COMMAND_MAX];
  size_t head_size = 0;
  bool magic_seen = false;
  bool ended = false;
  // Of the current literal: what is still to come.
  uint64_t literal_left = 0;
  const uint8_t* literal = nullptr;
  uint64_t position = 0;
  uint64_t length = 0;

  // Fills the header to `need` bytes; false if there is not enough input.
  bool fill(size_t need) {
    size_t take = std::min(need - head_size, available);
    if (take > 0) std::memcpy(head + head_size, input, take);
    head_size += take;
    input += take;
    available -= take;
    return head_size == need;
  }

  Next next() {
    if (ended) return Next::end;
    if (!magic_seen) {
      if (!fill(4)) return Next::need_input;
      if (load_be32(head) != DELTA_MAGIC) throw EngineError(ErrorKind::bad_magic, "Not a delta");
      magic_seen = true;
      head_size = 0;
    }
    return literal_left > 0 ? next_literal() : next_command();
  }

  Next next_literal() {
    if (available == 0) return Next::need_input;
    length = std::min<uint64_t>(literal_left, available);
    literal = input;
    input += length;
    available -= size_t(length);
    literal_left -= length;
    return Next::literal;
  }

  Next next_command() {
    if (head_size == 0 && !fill(1)) return Next::need_input;
    const uint8_t opcode = head[0];
    if (opcode >= OP_RESERVED) corrupt("Delta with the reserved command " + std::to_string(opcode));
    if (opcode == OP_END) {
      ended = true;
      return Next::end;
    }
    const unsigned position_bytes = position_width(opcode), length_bytes = length_width(opcode);
    if (!fill(1 + position_bytes + length_bytes)) return Next::need_input;
    head_size = 0;
    position = load_be(head + 1, position_bytes);
    length = length_bytes == 0 ? opcode : load_be(head + 1 + position_bytes, length_bytes);
    if (length == 0) corrupt("Delta with a command of no length");
    if (length > POSITION_MAX || position > POSITION_MAX - length) corrupt("Delta with a command beyond 2^63 bytes");
    if (opcode >= OP_COPY) return Next::copy;
    literal_left = length;
    return next_literal();
  }
};

DeltaDecoder::DeltaDecoder() : state_(std::make_unique<State>()) {}
DeltaDecoder::~DeltaDecoder() = default;

void DeltaDecoder::feed(const uint8_t* bytes, size_t length) {
  if (state_->available > 0 && !state_->ended) {
    throw EngineError(ErrorKind::parameter, "Delta fed before what was there is taken");
  }
  state_->input = bytes;
  state_->available = length;
}

DeltaDecoder::Next DeltaDecoder::next() { return state_->next(); }
const uint8_t* DeltaDecoder::literal() const { return state_->literal; }
uint64_t DeltaDecoder::position() const { return state_->position; }
uint64_t DeltaDecoder::length() const { return state_->length; }

uint64_t DeltaDecoder::skip_literal() { return std::exchange(state_->literal_left, 0); }

void DeltaDecoder::finish() const {
  if (!state_->ended) throw EngineError(ErrorKind::input_ended, "Delta without its end");
}

}  // namespace ibt
