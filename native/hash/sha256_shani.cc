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

__attribute__((target("sha,sse4.1,ssse3"))) void sha256_blocks_shani(uint32_t* state, const uint8_t* blocks,
                                                                     size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  // The instructions want the eight words of the state as (a b e f) and (c d g h), highest first.
  __m128i low = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state)), 0xb1);
  __m128i high = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(low, high, 8);
  __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);
  for (; count > 0; blocks += 64, count--) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; i++) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks) + i), big_endian);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      const __m128i words = w[i & 3];
      __m128i k = _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(SHA256_K) + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
      if (i < 12) {
        // The words 16 places on: w[t-16] + s0(w[t-15]) + w[t-7] + s1(w[t-2]).
        const __m128i w1 = w[(i + 1) & 3], w2 = w[(i + 2) & 3], w3 = w[(i + 3) & 3];
        __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(words, w1), _mm_alignr_epi8(w3, w2, 4));
        w[i & 3] = _mm_sha256msg2_epu32(next, w3);
      }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace ibt
#endif
