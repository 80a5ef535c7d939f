// BLAKE2b of eight blocks side by side: each 64-bit lane of the AVX-512 registers holds the state of one.
#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "avx512.h"
#include "blake2b.h"
#include "strong.h"

namespace ibt {
namespace {

constexpr size_t LANES = 8;
constexpr size_t BLOCK = BLAKE2B_BLOCK;

AVX512_INLINE void mix(__m512i& a, __m512i& b, __m512i& c, __m512i& d, __m512i x, __m512i y) {
  a = _mm512_add_epi64(_mm512_add_epi64(a, b), x);
  d = _mm512_ror_epi64(_mm512_xor_si512(d, a), 32);
  c = _mm512_add_epi64(c, d);
  b = _mm512_ror_epi64(_mm512_xor_si512(b, c), 24);
  a = _mm512_add_epi64(_mm512_add_epi64(a, b), y);
  d = _mm512_ror_epi64(_mm512_xor_si512(d, a), 16);
  c = _mm512_add_epi64(c, d);
  b = _mm512_ror_epi64(_mm512_xor_si512(b, c), 63);
}

template <int R>
AVX512_INLINE void round(__m512i* v, const __m512i* m) {
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

// Words `m[0..7]` of all lanes, from 64 bytes of each.
AVX512_INLINE void load_words(const uint8_t* const* lanes, size_t offset, __m512i* m) {
  __m512i r[LANES], t[LANES];
  for (size_t i = 0; i < LANES; i++) r[i] = _mm512_loadu_si512(lanes[i] + offset);
  // Pairs of lanes, then of pairs, then of those.
  for (size_t i = 0; i < LANES; i += 2) {
    t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
  }
  for (size_t i = 0; i < 2; i++) {
    __m512i low = _mm512_shuffle_i64x2(t[i], t[i + 2], 0x88), high = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0x88);
    m[i] = _mm512_shuffle_i64x2(low, high, 0x88);
    m[i + 4] = _mm512_shuffle_i64x2(low, high, 0xdd);
    low = _mm512_shuffle_i64x2(t[i], t[i + 2], 0xdd), high = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0xdd);
    m[i + 2] = _mm512_shuffle_i64x2(low, high, 0x88);
    m[i + 6] = _mm512_shuffle_i64x2(low, high, 0xdd);
  }
}

AVX512_INLINE void compress(__m512i* state, const uint8_t* const* lanes, size_t offset, uint64_t length, bool last) {
  __m512i m[16], v[16];
  load_words(lanes, offset, m);
  load_words(lanes, offset + 64, m + 8);
  for (int i = 0; i < 8; i++) v[i] = state[i];
  for (int i = 0; i < 8; i++) v[8 + i] = _mm512_set1_epi64(int64_t(BLAKE2B_IV[i]));
  v[12] = _mm512_set1_epi64(int64_t(BLAKE2B_IV[4] ^ length));
  if (last) v[14] = _mm512_set1_epi64(int64_t(~BLAKE2B_IV[6]));
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
  for (int i = 0; i < 8; i++) state[i] = _mm512_xor_si512(state[i], _mm512_xor_si512(v[i], v[8 + i]));
}

// `count` digests of LANES blocks.
AVX512 void hash_lanes(const uint8_t* const* lanes, size_t count, size_t length, uint8_t* digests) {
  __m512i state[8];
  for (int i = 0; i < 8; i++) state[i] = _mm512_set1_epi64(int64_t(BLAKE2B_IV[i]));
  state[0] = _mm512_set1_epi64(int64_t(BLAKE2B_IV[0] ^ BLAKE2B_PARAMETERS));
  size_t done = 0;
  for (; length - done > BLOCK; done += BLOCK) compress(state, lanes, done, done + BLOCK, false);

  // The last block of each, filled up with zeros: nothing is read beyond the lanes.
  alignas(64) uint8_t tails[LANES][BLOCK];
  const uint8_t* last[LANES];
  const size_t rest = length - done;
  for (size_t i = 0; i < LANES; i++) {
    last[i] = rest == BLOCK ? lanes[i] + done : tails[i];
    if (rest == BLOCK) continue;
    std::memset(tails[i], 0, BLOCK);
    if (rest > 0) std::memcpy(tails[i], lanes[i] + done, rest);
  }
  compress(state, last, 0, length, true);

  alignas(64) uint64_t words[BLAKE2B_DIGEST / 8][LANES];
  for (size_t i = 0; i < BLAKE2B_DIGEST / 8; i++) _mm512_store_si512(words[i], state[i]);
  for (size_t lane = 0; lane < count; lane++) {
    for (size_t i = 0; i < BLAKE2B_DIGEST / 8; i++) {
      std::memcpy(digests + lane * STRONG_MAX + 8 * i, &words[i][lane], 8);
    }
  }
}

}  // namespace

void blake2b_many_avx512(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
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
  blake2b_many_portable(blocks, count, length, digests);
}

}  // namespace ibt
#endif
