// SHA-256 with the x86 SHA extensions (Intel, "Intel SHA Extensions", 2013: two rounds an instruction).
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#include "sha256.h"

namespace ibt {

bool sha256_shani_works() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  bool ssse3 = c >> 9 & 1, sse41 = c >> 19 & 1;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return ssse3 && sse41 && (b >> 29 & 1);
}

namespace {

// Blocks of several states at once: the instructions of one wait for each other, those of two do not.
template <size_t STREAMS>
__attribute__((target("sha,sse4.1,ssse3"), always_inline)) inline void take_blocks(uint32_t* const* states,
                                                                                   const uint8_t* const* blocks,
                                                                                   size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef[STREAMS], cdgh[STREAMS];
  for (size_t s = 0; s < STREAMS; s++) {
    // The instructions want the eight words of the state as (a b e f) and (c d g h), highest first.
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(states[s])), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(states[s] + 4)), 0x1b);
    abef[s] = _mm_alignr_epi8(low, high, 8);
    cdgh[s] = _mm_blend_epi16(high, low, 0xf0);
  }
  for (size_t block = 0; block < count; block++) {
    __m128i abef_before[STREAMS], cdgh_before[STREAMS], w[STREAMS][4];
    for (size_t s = 0; s < STREAMS; s++) {
      abef_before[s] = abef[s];
      cdgh_before[s] = cdgh[s];
      const auto* words = reinterpret_cast<const __m128i*>(blocks[s] + 64 * block);
      for (int i = 0; i < 4; i++) w[s][i] = _mm_shuffle_epi8(_mm_loadu_si128(words + i), big_endian);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(SHA256_K) + i);
#pragma GCC unroll 2
      for (size_t s = 0; s < STREAMS; s++) {
        const __m128i words = w[s][i & 3];
        __m128i k = _mm_add_epi32(words, constants);
        cdgh[s] = _mm_sha256rnds2_epu32(cdgh[s], abef[s], k);
        abef[s] = _mm_sha256rnds2_epu32(abef[s], cdgh[s], _mm_shuffle_epi32(k, 0x0e));
        if (i < 12) {
          // The words 16 places on: w[t-16] + s0(w[t-15]) + w[t-7] + s1(w[t-2]).
          const __m128i w1 = w[s][(i + 1) & 3], w2 = w[s][(i + 2) & 3], w3 = w[s][(i + 3) & 3];
          __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(words, w1), _mm_alignr_epi8(w3, w2, 4));
          w[s][i & 3] = _mm_sha256msg2_epu32(next, w3);
        }
      }
    }
    for (size_t s = 0; s < STREAMS; s++) {
      abef[s] = _mm_add_epi32(abef[s], abef_before[s]);
      cdgh[s] = _mm_add_epi32(cdgh[s], cdgh_before[s]);
    }
  }
  for (size_t s = 0; s < STREAMS; s++) {
    __m128i feba = _mm_shuffle_epi32(abef[s], 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh[s], 0xb1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states[s]), _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states[s] + 4), _mm_alignr_epi8(dchg, feba, 8));
  }
}

}  // namespace

__attribute__((target("sha,sse4.1,ssse3"))) void sha256_blocks_shani(uint32_t* state, const uint8_t* blocks,
                                                                     size_t count) {
  take_blocks<1>(&state, &blocks, count);
}

__attribute__((target("sha,sse4.1,ssse3"))) void sha256_pair_shani(uint32_t* const* states,
                                                                   const uint8_t* const* blocks, size_t count) {
  take_blocks<2>(states, blocks, count);
}

}  // namespace ibt
#endif
