// RabinKarp of a block with AVX2: 32 sums side by side, each of every 32nd byte, put together at the end.
#if defined(__x86_64__)
#include "avx2.h"
#include "rabinkarp.h"

namespace ibt {
namespace {

constexpr size_t STEP = 32;

struct Weights {
  // M^(31 - i): of byte i of a step.
  alignas(32) uint32_t of[STEP] = {};
  uint32_t step = 1;

  constexpr Weights() {
    for (size_t i = STEP; i-- > 0; step *= RABINKARP_M) of[i] = step;
  }
};
constexpr Weights WEIGHTS;

AVX2_INLINE __m256i widen(const uint8_t* bytes) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
}

AVX2_INLINE __m256i times(__m256i sums, size_t i) {
  return _mm256_mullo_epi32(sums, _mm256_load_si256(reinterpret_cast<const __m256i*>(WEIGHTS.of + i)));
}

}  // namespace

AVX2 uint32_t rabinkarp_avx2(uint32_t sum, const uint8_t* bytes, size_t length) {
  const __m256i step = _mm256_set1_epi32(int(WEIGHTS.step));
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (; length >= STEP; bytes += STEP, length -= STEP) {
    a = _mm256_add_epi32(_mm256_mullo_epi32(a, step), widen(bytes));
    b = _mm256_add_epi32(_mm256_mullo_epi32(b, step), widen(bytes + 8));
    c = _mm256_add_epi32(_mm256_mullo_epi32(c, step), widen(bytes + 16));
    d = _mm256_add_epi32(_mm256_mullo_epi32(d, step), widen(bytes + 24));
    sum *= WEIGHTS.step;
  }
  __m256i all = _mm256_add_epi32(_mm256_add_epi32(times(a, 0), times(b, 8)),
                                 _mm256_add_epi32(times(c, 16), times(d, 24)));
  alignas(32) uint32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
  for (uint32_t lane : lanes) sum += lane;
  return rabinkarp_portable(sum, bytes, length);
}

}  // namespace ibt
#endif
