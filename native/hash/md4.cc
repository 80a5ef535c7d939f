#include "md4.h"

#include <algorithm>
#include <cstring>

#include "bytes.h"
#include "strong.h"

namespace ibt {
namespace {

inline uint32_t choose(uint32_t x, uint32_t y, uint32_t z) { return z ^ (x & (y ^ z)); }
inline uint32_t majority(uint32_t x, uint32_t y, uint32_t z) { return (x & y) | (z & (x | y)); }
inline uint32_t parity(uint32_t x, uint32_t y, uint32_t z) { return x ^ y ^ z; }

}  // namespace

void Md4::compress(const uint8_t* block) {
  uint32_t m[16];
  for (int i = 0; i < 16; i++) m[i] = load_le32(block + 4 * i);
  uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
  for (int i = 0; i < 16; i += 4) {
    a = rotate_left(a + choose(b, c, d) + m[i], 3);
    d = rotate_left(d + choose(a, b, c) + m[i + 1], 7);
    c = rotate_left(c + choose(d, a, b) + m[i + 2], 11);
    b = rotate_left(b + choose(c, d, a) + m[i + 3], 19);
  }
  for (int i = 0; i < 4; i++) {
    a = rotate_left(a + majority(b, c, d) + m[i] + MD4_ROUND_2, 3);
    d = rotate_left(d + majority(a, b, c) + m[i + 4] + MD4_ROUND_2, 5);
    c = rotate_left(c + majority(d, a, b) + m[i + 8] + MD4_ROUND_2, 9);
    b = rotate_left(b + majority(c, d, a) + m[i + 12] + MD4_ROUND_2, 13);
  }
  for (int i : {0, 2, 1, 3}) {
    a = rotate_left(a + parity(b, c, d) + m[i] + MD4_ROUND_3, 3);
    d = rotate_left(d + parity(a, b, c) + m[i + 8] + MD4_ROUND_3, 9);
    c = rotate_left(c + parity(d, a, b) + m[i + 4] + MD4_ROUND_3, 11);
    b = rotate_left(b + parity(c, d, a) + m[i + 12] + MD4_ROUND_3, 15);
  }
  state_[0] += a;
  state_[1] += b;
  state_[2] += c;
  state_[3] += d;
}

void Md4::update(const uint8_t* bytes, size_t length) {
  if (length == 0) return;
  size_t held = length_ % sizeof block_;
  length_ += length;
  if (held > 0) {
    size_t take = std::min(length, sizeof block_ - held);
    std::memcpy(block_ + held, bytes, take);
    bytes += take;
    length -= take;
    if (held + take < sizeof block_) return;
    compress(block_);
  }
  for (; length >= sizeof block_; bytes += sizeof block_, length -= sizeof block_) compress(bytes);
  if (length > 0) std::memcpy(block_, bytes, length);
}

void Md4::finish(uint8_t* digest) {
  uint64_t bits = length_ * 8;
  static const uint8_t PADDING[64] = {0x80};
  size_t held = length_ % sizeof block_;
  update(PADDING, (held < 56 ? 56 : 120) - held);
  uint8_t size[8];
  store_le64(size, bits);
  update(size, sizeof size);
  for (int i = 0; i < 4; i++) store_le32(digest + 4 * i, state_[i]);
}

void md4_many_portable(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
  for (size_t i = 0; i < count; i++) {
    Md4 hash;
    hash.update(blocks[i], length);
    hash.finish(digests + i * STRONG_MAX);
  }
}

}  // namespace ibt
