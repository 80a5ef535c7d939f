// MD4 of eight blocks side by side: each 32-bit lane of the AVX2 registers holds the state of one.
#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "avx2.h"
#include "bytes.h"
#include "md4.h"
#include "strong.h"

namespace ibt {
namespace {

constexpr size_t LANES = 8;
constexpr size_t BLOCK = MD4_BLOCK;

AVX2_INLINE __m256i choose(__m256i x, __m256i y, __m256i z) {
  return _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)));
}
AVX2_INLINE __m256i majority(__m256i x, __m256i y, __m256i z) {
  return _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)));
}
AVX2_INLINE __m256i parity(__m256i x, __m256i y, __m256i z) { return _mm256_xor_si256(x, _mm256_xor_si256(y, z)); }

template <int ROTATION>
AVX2_INLINE void step(__m256i& a, __m256i function, __m256i word, __m256i constant) {
  a = _mm256_add_epi32(_mm256_add_epi32(a, _mm256_add_epi32(word, constant)), function);
  a = _mm256_or_si256(_mm256_slli_epi32(a, ROTATION), _mm256_srli_epi32(a, 32 - ROTATION));
}

// Words `m[0..7]` of all lanes, from 32 bytes of each.
AVX2_INLINE void load_words(const uint8_t* const* lanes, size_t offset, __m256i* m) {
  __m256i r[LANES], t[LANES];
  for (size_t i = 0; i < LANES; i++) {
    r[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes[i] + offset));
  }
  // Pairs of lanes, then fours; then halves of registers: r[4j + k] has the words k and k + 4 of the lanes 4j to
  // 4j + 3.
  for (size_t i = 0; i < LANES; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (size_t i = 0; i < LANES; i += 4) {
    r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (size_t k = 0; k < 4; k++) {
    m[k] = _mm256_permute2x128_si256(r[k], r[4 + k], 0x20);
    m[k + 4] = _mm256_permute2x128_si256(r[k], r[4 + k], 0x31);
  }
}

AVX2_INLINE void compress(__m256i* state, const uint8_t* const* lanes, size_t offset) {
  __m256i m[16];
  load_words(lanes, offset, m);
  load_words(lanes, offset + 32, m + 8);
  __m256i a = state[0], b = state[1], c = state[2], d = state[3];
  __m256i constant = _mm256_setzero_si256();
  for (int i = 0; i < 16; i += 4) {
    step<3>(a, choose(b, c, d), m[i], constant);
    step<7>(d, choose(a, b, c), m[i + 1], constant);
    step<11>(c, choose(d, a, b), m[i + 2], constant);
    step<19>(b, choose(c, d, a), m[i + 3], constant);
  }
  constant = _mm256_set1_epi32(MD4_ROUND_2);
  for (int i = 0; i < 4; i++) {
    step<3>(a, majority(b, c, d), m[i], constant);
    step<5>(d, majority(a, b, c), m[i + 4], constant);
    step<9>(c, majority(d, a, b), m[i + 8], constant);
    step<13>(b, majority(c, d, a), m[i + 12], constant);
  }
  constant = _mm256_set1_epi32(MD4_ROUND_3);
  for (int i : {0, 2, 1, 3}) {
    step<3>(a, parity(b, c, d), m[i], constant);
    step<9>(d, parity(a, b, c), m[i + 8], constant);
    step<11>(c, parity(d, a, b), m[i + 4], constant);
    step<15>(b, parity(c, d, a), m[i + 12], constant);
  }
  state[0] = _mm256_add_epi32(state[0], a);
  state[1] = _mm256_add_epi32(state[1], b);
  state[2] = _mm256_add_epi32(state[2], c);
  state[3] = _mm256_add_epi32(state[3], d);
}

// `count` digests of LANES blocks.
AVX2 void hash_lanes(const uint8_t* const* lanes, size_t count, size_t length, uint8_t* digests) {
  __m256i state[4];
  for (int i = 0; i < 4; i++) state[i] = _mm256_set1_epi32(int(MD4_START[i]));
  const size_t whole = length - length % BLOCK;
  for (size_t done = 0; done < whole; done += BLOCK) compress(state, lanes, done);

  // The last bytes of each, and the padding: one block or two.
  alignas(32) uint8_t tails[LANES][2 * BLOCK] = {};
  const uint8_t* last[LANES];
  const size_t rest = length - whole, padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
  for (size_t i = 0; i < LANES; i++) {
    if (rest > 0) std::memcpy(tails[i], lanes[i] + whole, rest);
    tails[i][rest] = 0x80;
    store_le64(tails[i] + padded - 8, uint64_t(length) * 8);
    last[i] = tails[i];
  }
  for (size_t done = 0; done < padded; done += BLOCK) compress(state, last, done);

  alignas(32) uint32_t words[MD4_DIGEST / 4][LANES];
  for (size_t i = 0; i < MD4_DIGEST / 4; i++) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(words[i]), state[i]);
  }
  for (size_t lane = 0; lane < count; lane++) {
    for (size_t i = 0; i < MD4_DIGEST / 4; i++) std::memcpy(digests + lane * STRONG_MAX + 4 * i, &words[i][lane], 4);
  }
}

}  // namespace

void md4_many_avx2(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
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
