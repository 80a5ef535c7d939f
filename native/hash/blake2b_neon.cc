// BLAKE2b of two blocks side by side: each 64-bit lane of the NEON registers holds the state of one.
#if defined(__aarch64__)
#include <algorithm>
#include <cstring>

#include "blake2b.h"
#include "neon.h"
#include "strong.h"

namespace ibt {
namespace {

constexpr size_t LANES = 2;
constexpr size_t BLOCK = BLAKE2B_BLOCK;

// Where each byte of a lane comes from, in rotations by whole bytes.
alignas(16) constexpr uint8_t RIGHT_24[16] = {3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10};
alignas(16) constexpr uint8_t RIGHT_16[16] = {2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9};

NEON_INLINE uint64x2_t rotate_right_32(uint64x2_t x) {
  return vreinterpretq_u64_u32(vrev64q_u32(vreinterpretq_u32_u64(x)));
}
NEON_INLINE uint64x2_t rotate_right_bytes(uint64x2_t x, const uint8_t* from) {
  return vreinterpretq_u64_u8(vqtbl1q_u8(vreinterpretq_u8_u64(x), vld1q_u8(from)));
}
NEON_INLINE uint64x2_t rotate_right_63(uint64x2_t x) { return vsriq_n_u64(vaddq_u64(x, x), x, 63); }

NEON_INLINE void mix(uint64x2_t& a, uint64x2_t& b, uint64x2_t& c, uint64x2_t& d, uint64x2_t x, uint64x2_t y) {
  a = vaddq_u64(vaddq_u64(a, b), x);
  d = rotate_right_32(veorq_u64(d, a));
  c = vaddq_u64(c, d);
  b = rotate_right_bytes(veorq_u64(b, c), RIGHT_24);
  a = vaddq_u64(vaddq_u64(a, b), y);
  d = rotate_right_bytes(veorq_u64(d, a), RIGHT_16);
  c = vaddq_u64(c, d);
  b = rotate_right_63(veorq_u64(b, c));
}

template <int R>
NEON_INLINE void round(uint64x2_t* v, const uint64x2_t* m) {
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

NEON_INLINE void compress(uint64x2_t* state, const uint8_t* const* lanes, size_t offset, uint64_t length, bool last) {
  uint64x2_t m[16], v[16];
  for (size_t i = 0; i < 16; i += 2) {
    const uint64x2_t first = load_u64x2(lanes[0] + offset + 8 * i), second = load_u64x2(lanes[1] + offset + 8 * i);
    m[i] = vtrn1q_u64(first, second);
    m[i + 1] = vtrn2q_u64(first, second);
  }
  for (int i = 0; i < 8; i++) v[i] = state[i];
  for (int i = 0; i < 8; i++) v[8 + i] = vdupq_n_u64(BLAKE2B_IV[i]);
  v[12] = vdupq_n_u64(BLAKE2B_IV[4] ^ length);
  if (last) v[14] = vdupq_n_u64(~BLAKE2B_IV[6]);
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
  for (int i = 0; i < 8; i++) state[i] = veorq_u64(state[i], veorq_u64(v[i], v[8 + i]));
}

void hash_lanes(const uint8_t* const* lanes, size_t length, uint8_t* digests) {
  uint64x2_t state[8];
  for (int i = 0; i < 8; i++) state[i] = vdupq_n_u64(BLAKE2B_IV[i]);
  state[0] = vdupq_n_u64(BLAKE2B_IV[0] ^ BLAKE2B_PARAMETERS);
  size_t done = 0;
  for (; length - done > BLOCK; done += BLOCK) compress(state, lanes, done, done + BLOCK, false);

  // The last block of each, filled up with zeros: nothing is read beyond the lanes.
  uint8_t tails[LANES][BLOCK] = {};
  const uint8_t* last[LANES];
  for (size_t i = 0; i < LANES; i++) {
    if (length > done) std::memcpy(tails[i], lanes[i] + done, length - done);
    last[i] = tails[i];
  }
  compress(state, last, 0, length, true);

  for (size_t i = 0; i < BLAKE2B_DIGEST / 8; i++) {
    uint64_t words[LANES];
    vst1q_u64(words, state[i]);
    for (size_t lane = 0; lane < LANES; lane++) std::memcpy(digests + lane * STRONG_MAX + 8 * i, &words[lane], 8);
  }
}

}  // namespace

void blake2b_many_neon(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
  for (; count >= LANES; blocks += LANES, digests += LANES * STRONG_MAX, count -= LANES) {
    hash_lanes(blocks, length, digests);
  }
  // One alone is faster without the other lane.
  blake2b_many_portable(blocks, count, length, digests);
}

}  // namespace ibt
#endif
