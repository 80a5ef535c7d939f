// BLAKE2b of four blocks side by side: each 64-bit lane of the AVX2 registers holds the state of one.
#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "avx2.h"
#include "blake2b.h"
#include "strong.h"

namespace ibt {
namespace {

constexpr size_t LANES = 4;
constexpr size_t BLOCK = BLAKE2B_BLOCK;

// Rotations by whole bytes are shuffles.
AVX2_INLINE __m256i rotate_right_32(__m256i x) { return _mm256_shuffle_epi32(x, 0xb1); }
AVX2_INLINE __m256i rotate_right_24(__m256i x) {
  return _mm256_shuffle_epi8(x, _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,  //
                                                 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10));
}
AVX2_INLINE __m256i rotate_right_16(__m256i x) {
  return _mm256_shuffle_epi8(x, _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,  //
                                                 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9));
}
AVX2_INLINE __m256i rotate_right_63(__m256i x) {
  return _mm256_or_si256(_mm256_add_epi64(x, x), _mm256_srli_epi64(x, 63));
}

AVX2_INLINE void mix(__m256i& a, __m256i& b, __m256i& c, __m256i& d, __m256i x, __m256i y) {
  a = _mm256_add_epi64(_mm256_add_epi64(a, b), x);
  d = rotate_right_32(_mm256_xor_si256(d, a));
  c = _mm256_add_epi64(c, d);
  b = rotate_right_24(_mm256_xor_si256(b, c));
  a = _mm256_add_epi64(_mm256_add_epi64(a, b), y);
  d = rotate_right_16(_mm256_xor_si256(d, a));
  c = _mm256_add_epi64(c, d);
  b = rotate_right_63(_mm256_xor_si256(b, c));
}

template <int R>
AVX2_INLINE void round(__m256i* v, const __m256i* m) {
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

// Words `m[0..3]` of all lanes, from 32 bytes of each.
AVX2_INLINE void load_words(const uint8_t* const* lanes, size_t offset, __m256i* m) {
  __m256i r[LANES];
  for (size_t i = 0; i < LANES; i++) {
    r[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes[i] + offset));
  }
  __m256i even01 = _mm256_unpacklo_epi64(r[0], r[1]), odd01 = _mm256_unpackhi_epi64(r[0], r[1]);
  __m256i even23 = _mm256_unpacklo_epi64(r[2], r[3]), odd23 = _mm256_unpackhi_epi64(r[2], r[3]);
  m[0] = _mm256_permute2x128_si256(even01, even23, 0x20);
  m[1] = _mm256_permute2x128_si256(odd01, odd23, 0x20);
  m[2] = _mm256_permute2x128_si256(even01, even23, 0x31);
  m[3] = _mm256_permute2x128_si256(odd01, odd23, 0x31);
}

AVX2_INLINE void compress(__m256i* state, const uint8_t* const* lanes, size_t offset, uint64_t length, bool last) {
  __m256i m[16], v[16];
  for (int i = 0; i < 4; i++) load_words(lanes, offset + 32 * size_t(i), m + 4 * i);
  for (int i = 0; i < 8; i++) v[i] = state[i];
  for (int i = 0; i < 8; i++) v[8 + i] = _mm256_set1_epi64x(int64_t(BLAKE2B_IV[i]));
  v[12] = _mm256_set1_epi64x(int64_t(BLAKE2B_IV[4] ^ length));
  if (last) v[14] = _mm256_set1_epi64x(int64_t(~BLAKE2B_IV[6]));
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
  for (int i = 0; i < 8; i++) state[i] = _mm256_xor_si256(state[i], _mm256_xor_si256(v[i], v[8 + i]));
}

// `count` digests of LANES blocks.
AVX2 void hash_lanes(const uint8_t* const* lanes, size_t count, size_t length, uint8_t* digests) {
  __m256i state[8];
  for (int i = 0; i < 8; i++) state[i] = _mm256_set1_epi64x(int64_t(BLAKE2B_IV[i]));
  state[0] = _mm256_set1_epi64x(int64_t(BLAKE2B_IV[0] ^ BLAKE2B_PARAMETERS));
  size_t done = 0;
  for (; length - done > BLOCK; done += BLOCK) compress(state, lanes, done, done + BLOCK, false);

  // The last block of each, filled up with zeros: nothing is read beyond the lanes.
  alignas(32) uint8_t tails[LANES][BLOCK];
  const uint8_t* last[LANES];
  const size_t rest = length - done;
  for (size_t i = 0; i < LANES; i++) {
    last[i] = rest == BLOCK ? lanes[i] + done : tails[i];
    if (rest == BLOCK) continue;
    std::memset(tails[i], 0, BLOCK);
    if (rest > 0) std::memcpy(tails[i], lanes[i] + done, rest);
  }
  compress(state, last, 0, length, true);

  alignas(32) uint64_t words[BLAKE2B_DIGEST / 8][LANES];
  for (size_t i = 0; i < BLAKE2B_DIGEST / 8; i++) _mm256_store_si256(reinterpret_cast<__m256i*>(words[i]), state[i]);
  for (size_t lane = 0; lane < count; lane++) {
    for (size_t i = 0; i < BLAKE2B_DIGEST / 8; i++) {
      std::memcpy(digests + lane * STRONG_MAX + 8 * i, &words[i][lane], 8);
    }
  }
}

}  // namespace

void blake2b_many_avx2(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
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
