// MD4 of four blocks side by side: each 32-bit lane of the NEON registers holds the state of one.
#if defined(__aarch64__)
#include <algorithm>
#include <cstring>

#include "bytes.h"
#include "md4.h"
#include "neon.h"
#include "strong.h"

namespace ibt {
namespace {

constexpr size_t LANES = 4;
constexpr size_t BLOCK = MD4_BLOCK;

NEON_INLINE uint32x4_t choose(uint32x4_t x, uint32x4_t y, uint32x4_t z) { return vbslq_u32(x, y, z); }
// Where x and y differ, z decides.
NEON_INLINE uint32x4_t majority(uint32x4_t x, uint32x4_t y, uint32x4_t z) { return vbslq_u32(veorq_u32(x, y), z, x); }
NEON_INLINE uint32x4_t parity(uint32x4_t x, uint32x4_t y, uint32x4_t z) { return veorq_u32(x, veorq_u32(y, z)); }

template <int ROTATION>
NEON_INLINE void step(uint32x4_t& a, uint32x4_t function, uint32x4_t word, uint32x4_t constant) {
  a = vaddq_u32(vaddq_u32(a, vaddq_u32(word, constant)), function);
  a = vsriq_n_u32(vshlq_n_u32(a, ROTATION), a, 32 - ROTATION);
}

NEON_INLINE uint32x4_t low_pairs(uint32x4_t a, uint32x4_t b) {
  return vreinterpretq_u32_u64(vtrn1q_u64(vreinterpretq_u64_u32(a), vreinterpretq_u64_u32(b)));
}
NEON_INLINE uint32x4_t high_pairs(uint32x4_t a, uint32x4_t b) {
  return vreinterpretq_u32_u64(vtrn2q_u64(vreinterpretq_u64_u32(a), vreinterpretq_u64_u32(b)));
}

// Words `m[0..3]` of all lanes, from 16 bytes of each.
NEON_INLINE void load_words(const uint8_t* const* lanes, size_t offset, uint32x4_t* m) {
  uint32x4_t r[LANES];
  for (size_t i = 0; i < LANES; i++) r[i] = load_u32x4(lanes[i] + offset);
  const uint32x4_t even01 = vtrn1q_u32(r[0], r[1]), odd01 = vtrn2q_u32(r[0], r[1]);
  const uint32x4_t even23 = vtrn1q_u32(r[2], r[3]), odd23 = vtrn2q_u32(r[2], r[3]);
  m[0] = low_pairs(even01, even23);
  m[1] = low_pairs(odd01, odd23);
  m[2] = high_pairs(even01, even23);
  m[3] = high_pairs(odd01, odd23);
}

NEON_INLINE void compress(uint32x4_t* state, const uint8_t* const* lanes, size_t offset) {
  uint32x4_t m[16];
  for (size_t i = 0; i < 16; i += 4) load_words(lanes, offset + 4 * i, m + i);
  uint32x4_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32x4_t constant = vdupq_n_u32(0);
  for (int i = 0; i < 16; i += 4) {
    step<3>(a, choose(b, c, d), m[i], constant);
    step<7>(d, choose(a, b, c), m[i + 1], constant);
    step<11>(c, choose(d, a, b), m[i + 2], constant);
    step<19>(b, choose(c, d, a), m[i + 3], constant);
  }
  constant = vdupq_n_u32(MD4_ROUND_2);
  for (int i = 0; i < 4; i++) {
    step<3>(a, majority(b, c, d), m[i], constant);
    step<5>(d, majority(a, b, c), m[i + 4], constant);
    step<9>(c, majority(d, a, b), m[i + 8], constant);
    step<13>(b, majority(c, d, a), m[i + 12], constant);
  }
  constant = vdupq_n_u32(MD4_ROUND_3);
  for (int i : {0, 2, 1, 3}) {
    step<3>(a, parity(b, c, d), m[i], constant);
    step<9>(d, parity(a, b, c), m[i + 8], constant);
    step<11>(c, parity(d, a, b), m[i + 4], constant);
    step<15>(b, parity(c, d, a), m[i + 12], constant);
  }
  state[0] = vaddq_u32(state[0], a);
  state[1] = vaddq_u32(state[1], b);
  state[2] = vaddq_u32(state[2], c);
  state[3] = vaddq_u32(state[3], d);
}

// `count` digests of LANES blocks.
void hash_lanes(const uint8_t* const* lanes, size_t count, size_t length, uint8_t* digests) {
  uint32x4_t state[4];
  for (int i = 0; i < 4; i++) state[i] = vdupq_n_u32(MD4_START[i]);
  const size_t whole = length - length % BLOCK;
  for (size_t done = 0; done < whole; done += BLOCK) compress(state, lanes, done);

  // The last bytes of each, and the padding: one block or two.
  uint8_t tails[LANES][2 * BLOCK] = {};
  const uint8_t* last[LANES];
  const size_t rest = length - whole, padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
  for (size_t i = 0; i < LANES; i++) {
    if (rest > 0) std::memcpy(tails[i], lanes[i] + whole, rest);
    tails[i][rest] = 0x80;
    store_le64(tails[i] + padded - 8, uint64_t(length) * 8);
    last[i] = tails[i];
  }
  for (size_t done = 0; done < padded; done += BLOCK) compress(state, last, done);

  for (size_t i = 0; i < MD4_DIGEST / 4; i++) {
    uint32_t words[LANES];
    vst1q_u32(words, state[i]);
    for (size_t lane = 0; lane < count; lane++) std::memcpy(digests + lane * STRONG_MAX + 4 * i, &words[lane], 4);
  }
}

}  // namespace

void md4_many_neon(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
  while (count > 1) {
    const size_t here = std::min(count, LANES);
    const uint8_t* lanes[LANES];
    for (size_t i = 0; i < LANES; i++) lanes[i] = blocks[std::min(i, here - 1)];
    hash_lanes(lanes, here, length, digests);
    blocks += here;
    digests += here * STRONG_MAX;
    count -= here;
  }
  // One alone is faster without the other lanes.
  md4_many_portable(blocks, count, length, digests);
}

}  // namespace ibt
#endif
