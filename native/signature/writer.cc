#include <algorithm>

#include "../hash/bytes.h"
#include "../hash/strong.h"
#include "../hash/weak.h"
#include "format.h"

namespace ibt {

const uint8_t ZEROS[ZEROS_BYTES] = {};

// Blocks that lie whole in what is given are hashed where they are, several at once. One that is spread over several
// calls is hashed as it comes: memory does not depend on the block length.
struct SignatureWriter::State {
  explicit State(const SignatureFormat& format) : format(format), weak(format.weak), strong(format.strong) {}

  SignatureFormat format;
  WeakStream weak;
  StrongStream strong;
  // The record of a block of zeros, once there was one.
  Bytes zero_record;
  // Bytes of the current block that are hashed already.
  size_t held = 0;
  bool header_written = false;

  void write_header(Bytes& out) {
    if (header_written) return;
    header_written = true;
    append_be(out, format.magic(), 4);
    append_be(out, format.block_len, 4);
    append_be(out, format.strong_len, 4);
  }

  // Returns the place behind the record.
  uint8_t* store_record(uint8_t* at, uint32_t weak_sum, const uint8_t* digest) const {
    store_be(at, weak_sum, 4);
    return std::copy_n(digest, format.strong_len, at + 4);
  }

  // Returns the place of the first of them.
  uint8_t* add_records(size_t count, Bytes& out) const {
    const size_t before = out.size();
    out.resize(before + count * (4 + format.strong_len));
    return out.data() + before;
  }

  void add_piece(const uint8_t* bytes, size_t length) {
    weak.update(bytes, length);
    strong.update(bytes, length);
    held += length;
  }

  void add_zeros(uint64_t count) {
    for (uint64_t left = count; left > 0;) {
      const size_t length = static_cast<size_t>(std::min<uint64_t>(left, ZEROS_BYTES));
      add_piece(ZEROS, length);
      left -= length;
    }
  }

  void add_zero_blocks(uint64_t count, Bytes& out) {
    if (count > 0 && zero_record.empty()) {
      add_zeros(format.block_len);
      end_block(zero_record);
    }
    for (; count > 0; count--) out.insert(out.end(), zero_record.begin(), zero_record.end());
  }

  void end_block(Bytes& out) {
    uint8_t digest[STRONG_MAX];
    strong.finish(digest);
    store_record(add_records(1, out), weak.finish(), digest);
    held = 0;
  }

  void add_blocks(const uint8_t* bytes, size_t count, Bytes& out) {
    const uint8_t* blocks[STRONG_LANES];
    uint8_t digests[STRONG_LANES * STRONG_MAX];
    uint8_t* at = add_records(count, out);
    while (count > 0) {
      size_t lanes = std::min(count, STRONG_LANES);
      for (size_t i = 0; i < lanes; i++) blocks[i] = bytes + i * format.block_len;
      strong_many(format.strong, blocks, lanes, format.block_len, digests);
      for (size_t i = 0; i < lanes; i++) {
        weak.update(blocks[i], format.block_len);
        at = store_record(at, weak.finish(), digests + i * STRONG_MAX);
      }
      bytes += lanes * format.block_len;
      count -= lanes;
    }
  }
};

SignatureWriter::SignatureWriter(const SignatureFormat& format) {
  if (format.block_len == 0 || format.block_len > BLOCK_LEN_MAX) {
    throw EngineError(ErrorKind::parameter, "Block length " + std::to_string(format.block_len) + " is not in 1..2^31");
  }
  size_t digest = strong_digest(format.strong);
  if (format.strong_len == 0 || format.strong_len > digest) {
    throw EngineError(ErrorKind::parameter, "Strong length " + std::to_string(format.strong_len) + " is not in 1.." +
                                                std::to_string(digest));
  }
  state_ = std::make_unique<State>(format);
}

SignatureWriter::~SignatureWriter() = default;

SignatureWriter SignatureWriter::behind_header(const SignatureFormat& format) {
  SignatureWriter writer(format);
  writer.state_->header_written = true;
  return writer;
}

void SignatureWriter::update(const uint8_t* bytes, size_t length, Bytes& out) {
  State& s = *state_;
  s.write_header(out);
  const size_t block_len = s.format.block_len;
  if (s.held > 0) {
    size_t take = std::min(length, block_len - s.held);
    s.add_piece(bytes, take);
    bytes += take;
    length -= take;
    if (s.held < block_len) return;
    s.end_block(out);
  }
  size_t whole = length / block_len;
  s.add_blocks(bytes, whole, out);
  size_t rest = length % block_len;
  if (rest > 0) s.add_piece(bytes + length - rest, rest);
}

void SignatureWriter::zeros(uint64_t count, Bytes& out) {
  State& s = *state_;
  s.write_header(out);
  const size_t block_len = s.format.block_len;
  if (s.held > 0) {
    const uint64_t take = std::min<uint64_t>(count, block_len - s.held);
    s.add_zeros(take);
    count -= take;
    if (s.held < block_len) return;
    s.end_block(out);
  }
  s.add_zero_blocks(count / block_len, out);
  s.add_zeros(count % block_len);
}

void SignatureWriter::finish(Bytes& out) {
  state_->write_header(out);
  if (state_->held > 0) state_->end_block(out);
}

}  // namespace ibt
