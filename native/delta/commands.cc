#include "commands.h"

#include <algorithm>

#include "../hash/bytes.h"
#include "opcodes.h"

namespace ibt {
namespace {

// The most that a two-byte length can say. rdiff cuts at 32,768, so that its deltas have more headers.
constexpr size_t LITERAL_MAX = 65535;

// 0..3 for the fewest of 1, 2, 4 or 8 bytes that hold the value.
unsigned width_code(uint64_t value) { return value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffffffff ? 2 : 3; }

void write_literal(const uint8_t* bytes, size_t length, Bytes& out) {
  append_literal_head(length, out);
  out.insert(out.end(), bytes, bytes + length);
}

}  // namespace

void append_copy(uint64_t position, uint64_t length, Bytes& out) {
  const unsigned position_code = width_code(position), length_code = width_code(length);
  out.push_back(uint8_t(OP_COPY + 4 * position_code + length_code));
  append_be(out, position, 1u << position_code);
  append_be(out, length, 1u << length_code);
}

void append_literal_head(uint64_t length, Bytes& out) {
  if (length <= OP_LITERAL_SHORT_MAX) return out.push_back(uint8_t(length));
  const unsigned code = width_code(length);
  out.push_back(uint8_t(OP_LITERAL + code));
  append_be(out, length, 1u << code);
}

void CommandWriter::flush_copy(Bytes& out) {
  if (copy_length_ == 0) return;
  append_copy(copy_position_, copy_length_, out);
  copy_length_ = 0;
}

void CommandWriter::flush_literal(Bytes& out) {
  if (literal_.empty()) return;
  write_literal(literal_.data(), literal_.size(), out);
  literal_.clear();
}

void CommandWriter::literal(const uint8_t* bytes, size_t length, Bytes& out) {
  if (length == 0) return;
  flush_copy(out);
  while (length > 0) {
    size_t take = std::min(length, LITERAL_MAX - literal_.size());
    if (take == LITERAL_MAX) {
      write_literal(bytes, take, out);
    } else {
      literal_.insert(literal_.end(), bytes, bytes + take);
      if (literal_.size() == LITERAL_MAX) flush_literal(out);
    }
    bytes += take;
    length -= take;
  }
}

void CommandWriter::literal_head(uint64_t length, Bytes& out) {
  flush_copy(out);
  flush_literal(out);
  append_literal_head(length, out);
}

void CommandWriter::copy(uint64_t position, uint64_t length, Bytes& out) {
  copied_bytes_ += length;
  flush_literal(out);
  if (copy_length_ > 0 && copy_position_ + copy_length_ == position) {
    copy_length_ += length;
    return;
  }
  flush_copy(out);
  copies_++;
  copy_position_ = position;
  copy_length_ = length;
}

void CommandWriter::finish(Bytes& out) {
  flush_copy(out);
  flush_literal(out);
  out.push_back(OP_END);
}

}  // namespace ibt
