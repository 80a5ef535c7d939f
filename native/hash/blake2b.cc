#include "blake2b.h"

#include <algorithm>
#include <cstring>

#include "bytes.h"
#include "strong.h"

namespace ibt {
namespace {

inline void mix(uint64_t& a, uint64_t& b, uint64_t& c, uint64_t& d, uint64_t x, uint64_t y) {
  a += b + x;
  d = rotate_right(d ^ a, 32);
  c += d;
  b = rotate_right(b ^ c, 24);
  a += b + y;
  d = rotate_right(d ^ a, 16);
  c += d;
  b = rotate_right(b ^ c, 63);
}

// A template, so that the order of the words is known when the round is compiled.
template <int R>
inline void round(uint64_t* v, const uint64_t* m) {
  constexpr const uint8_t* s = BLAKE2B_SIGMA[R % 10];
  mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

}  // namespace

Blake2b::Blake2b() {
  std::memcpy(state_, BLAKE2B_IV, sizeof state_);
  state_[0] ^= BLAKE2B_PARAMETERS;
}

void Blake2b::compress(const uint8_t* block, size_t length, bool last) {
  length_ += length;
  uint64_t m[16], v[16];
  for (int i = 0; i < 16; i++) m[i] = load_le64(block + 8 * i);
  for (int i = 0; i < 8; i++) v[i] = state_[i];
  for (int i = 0; i < 8; i++) v[8 + i] = BLAKE2B_IV[i];
  v[12] ^= length_;
  if (last) v[14] = ~v[14];
  round<0>(v, m);
  round<1>(v, m);
  round<2>(v, m);
  round<3>(v, m);
  round<4>(v, m);
  round<5>(v, m);
  round<6>(v, m);
  round<7>(v, m);
  round<8>(v, m);
  round<9>(v, m);
  round<10>(v, m);
  round<11>(v, m);
  for (int i = 0; i < 8; i++) state_[i] ^= v[i] ^ v[8 + i];
}

void Blake2b::update(const uint8_t* bytes, size_t length) {
  if (length == 0) return;
  if (held_ > 0) {
    size_t take = std::min(length, sizeof block_ - held_);
    std::memcpy(block_ + held_, bytes, take);
    held_ += take;
    bytes += take;
    length -= take;
    if (length == 0) return;
    compress(block_, sizeof block_, false);
    held_ = 0;
  }
  for (; length > sizeof block_; bytes += sizeof block_, length -= sizeof block_) {
    compress(bytes, sizeof block_, false);
  }
  std::memcpy(block_, bytes, length);
  held_ = length;
}

void Blake2b::finish(uint8_t* digest) {
  std::memset(block_ + held_, 0, sizeof block_ - held_);
  compress(block_, held_, true);
  for (size_t i = 0; i < BLAKE2B_DIGEST / 8; i++) store_le64(digest + 8 * i, state_[i]);
}

void blake2b_many_portable(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
  for (size_t i = 0; i < count; i++) {
    Blake2b hash;
    hash.update(blocks[i], length);
    hash.finish(digests + i * STRONG_MAX);
  }
}

}  // namespace ibt
