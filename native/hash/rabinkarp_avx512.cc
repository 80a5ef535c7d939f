// RabinKarp of a block with AVX-512: 64 bytes are multiplied with their weights at once. VNNI multiplies bytes with
// bytes only, so each weight M^k is split into four digits, to base 256 and from -128 to 127: four planes of digits.
#if defined(__x86_64__)
#include <algorithm>

#include "avx512.h"
#include "rabinkarp.h"

namespace ibt {
namespace {

// Bytes that the planes have weights for. No sum of a plane overflows: 16 * 4 * 255 * 128 < 2^31.
constexpr size_t SPAN = 1024;
constexpr size_t STEP = 64;

// The digits of M^(SPAN - 1 - i), the weight of byte i if SPAN bytes are left. What is behind them is never used, but
// the load of the last weights of fewer bytes may touch it.
struct Planes {
  alignas(64) int8_t digits[4][SPAN + STEP] = {};
  uint32_t span_weight = 1;

  constexpr Planes() {
    for (size_t i = SPAN; i-- > 0;) {
      uint32_t rest = span_weight;
      for (int plane = 0; plane < 4; plane++) {
        int digit = int(rest & 255) - (rest & 128 ? 256 : 0);
        digits[plane][i] = int8_t(digit);
        rest = (rest - uint32_t(digit)) >> 8;
      }
      span_weight *= RABINKARP_M;
    }
  }
};
constexpr Planes PLANES;

AVX512_INLINE __m512i plus_weighted(__m512i sums, __m512i bytes, int plane, size_t at) {
  return _mm512_dpbusd_epi32(sums, bytes, _mm512_loadu_si512(PLANES.digits[plane] + at));
}

// M^exponent, for one below SPAN.
inline uint32_t small_power(size_t exponent) {
  uint32_t power = 0;
  for (int plane = 4; plane-- > 0;) power = (power << 8) + uint32_t(PLANES.digits[plane][SPAN - 1 - exponent]);
  return power;
}

// What SPAN bytes or fewer add, spread over the lanes.
AVX512_INLINE __m512i weigh(const uint8_t* bytes, size_t length) {
  __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0;
  for (size_t i = 0, at = SPAN - length; i < length; i += STEP, at += STEP) {
    const size_t left = std::min(length - i, STEP);
    __m512i b = _mm512_maskz_loadu_epi8(~uint64_t(0) >> (STEP - left), bytes + i);
    a0 = plus_weighted(a0, b, 0, at);
    a1 = plus_weighted(a1, b, 1, at);
    a2 = plus_weighted(a2, b, 2, at);
    a3 = plus_weighted(a3, b, 3, at);
  }
  a2 = _mm512_add_epi32(a2, _mm512_slli_epi32(a3, 8));
  a1 = _mm512_add_epi32(a1, _mm512_slli_epi32(a2, 8));
  return _mm512_add_epi32(a0, _mm512_slli_epi32(a1, 8));
}

}  // namespace

AVX512 uint32_t rabinkarp_avx512(uint32_t sum, const uint8_t* bytes, size_t length) {
  // The odd part first, so that all that follows is whole spans.
  const size_t odd = length % SPAN;
  const __m512i span_weight = _mm512_set1_epi32(int(PLANES.span_weight));
  __m512i lanes = weigh(bytes, odd);
  sum *= small_power(odd);
  for (size_t at = odd; at < length; at += SPAN) {
    lanes = _mm512_add_epi32(_mm512_mullo_epi32(lanes, span_weight), weigh(bytes + at, SPAN));
    sum *= PLANES.span_weight;
  }
  alignas(64) uint32_t parts[16];
  _mm512_store_si512(parts, lanes);
  for (uint32_t part : parts) sum += part;
  return sum;
}

}  // namespace ibt
#endif
