// MD4 of sixteen blocks side by side: each 32-bit lane of the AVX-512 registers holds the state of one.
#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "avx512.h"
#include "bytes.h"
#include "md4.h"
#include "strong.h"

namespace ibt {
namespace {

constexpr size_t LANES = 16;
constexpr size_t BLOCK = MD4_BLOCK;

// A function of three bits as the table that vpternlog wants.
constexpr int CHOOSE = 0xca, MAJORITY = 0xe8, PARITY = 0x96;

template <int F, int ROTATION>
AVX512_INLINE void step(__m512i& a, __m512i b, __m512i c, __m512i d, __m512i word, __m512i constant) {
  a = _mm512_add_epi32(_mm512_add_epi32(a, _mm512_add_epi32(word, constant)), _mm512_ternarylogic_epi32(b, c, d, F));
  a = _mm512_rol_epi32(a, ROTATION);
}

// Words `m[0..15]` of all lanes, from 64 bytes of each.
AVX512_INLINE void load_words(const uint8_t* const* lanes, size_t offset, __m512i* m) {
  __m512i r[LANES], t[LANES];
  for (size_t i = 0; i < LANES; i++) r[i] = _mm512_loadu_si512(lanes[i] + offset);
  // Pairs of lanes, then fours; then quarters of registers: r[4j + k] has the words k, k + 4, k + 8, k + 12 of the
  // lanes 4j to 4j + 3.
  for (size_t i = 0; i < LANES; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (size_t i = 0; i < LANES; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (size_t k = 0; k < 4; k++) {
    __m512i low = _mm512_shuffle_i32x4(r[k], r[4 + k], 0x88), high = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0x88);
    m[k] = _mm512_shuffle_i32x4(low, high, 0x88);
    m[k + 8] = _mm512_shuffle_i32x4(low, high, 0xdd);
    low = _mm512_shuffle_i32x4(r[k], r[4 + k], 0xdd), high = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0xdd);
    m[k + 4] = _mm512_shuffle_i32x4(low, high, 0x88);
    m[k + 12] = _mm512_shuffle_i32x4(low, high, 0xdd);
  }
}

AVX512_INLINE void compress(__m512i* state, const uint8_t* const* lanes, size_t offset) {
  __m512i m[16];
  load_words(lanes, offset, m);
  __m512i a = state[0], b = state[1], c = state[2], d = state[3];
  __m512i constant = _mm512_setzero_si512();
  for (int i = 0; i < 16; i += 4) {
    step<CHOOSE, 3>(a, b, c, d, m[i], constant);
    step<CHOOSE, 7>(d, a, b, c, m[i + 1], constant);
    step<CHOOSE, 11>(c, d, a, b, m[i + 2], constant);
    step<CHOOSE, 19>(b, c, d, a, m[i + 3], constant);
  }
  constant = _mm512_set1_epi32(MD4_ROUND_2);
  for (int i = 0; i < 4; i++) {
    step<MAJORITY, 3>(a, b, c, d, m[i], constant);
    step<MAJORITY, 5>(d, a, b, c, m[i + 4], constant);
    step<MAJORITY, 9>(c, d, a, b, m[i + 8], constant);
    step<MAJORITY, 13>(b, c, d, a, m[i + 12], constant);
  }
  constant = _mm512_set1_epi32(MD4_ROUND_3);
  for (int i : {0, 2, 1, 3}) {
    step<PARITY, 3>(a, b, c, d, m[i], constant);
    step<PARITY, 9>(d, a, b, c, m[i + 8], constant);
    step<PARITY, 11>(c, d, a, b, m[i + 4], constant);
    step<PARITY, 15>(b, c, d, a, m[i + 12], constant);
  }
  state[0] = _mm512_add_epi32(state[0], a);
  state[1] = _mm512_add_epi32(state[1], b);
  state[2] = _mm512_add_epi32(state[2], c);
  state[3] = _mm512_add_epi32(state[3], d);
}

// `count` digests of LANES blocks.
AVX512 void hash_lanes(const uint8_t* const* lanes, size_t count, size_t length, uint8_t* digests) {
  __m512i state[4];
  for (int i = 0; i < 4; i++) state[i] = _mm512_set1_epi32(int(MD4_START[i]));
  const size_t whole = length - length % BLOCK;
  for (size_t done = 0; done < whole; done += BLOCK) compress(state, lanes, done);

  // The last bytes of each, and the padding: one block or two.
  alignas(64) uint8_t tails[LANES][2 * BLOCK] = {};
  const uint8_t* last[LANES];
  const size_t rest = length - whole, padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
  for (size_t i = 0; i < LANES; i++) {
    if (rest > 0) std::memcpy(tails[i], lanes[i] + whole, rest);
    tails[i][rest] = 0x80;
    store_le64(tails[i] + padded - 8, uint64_t(length) * 8);
    last[i] = tails[i];
  }
  for (size_t done = 0; done < padded; done += BLOCK) compress(state, last, done);

  alignas(64) uint32_t words[MD4_DIGEST / 4][LANES];
  for (size_t i = 0; i < MD4_DIGEST / 4; i++) _mm512_store_si512(words[i], state[i]);
  for (size_t lane = 0; lane < count; lane++) {
    for (size_t i = 0; i < MD4_DIGEST / 4; i++) std::memcpy(digests + lane * STRONG_MAX + 4 * i, &words[i][lane], 4);
  }
}

}  // namespace

void md4_many_avx512(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
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
