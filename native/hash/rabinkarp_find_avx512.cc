// The search with AVX-512: the sums at sixteen places in a row, one a lane.
//
// Moving on by a byte makes s' = s * M + d, with d = byte in - M^length * (byte out + ADJUST). So the sum at a place is
// M^16 times the sum 16 places back, plus the last 16 d, each times its power of M; and those come from four doublings:
// of 2 from 1 and the 1 before, of 4 from 2 and the 2 before, and so on. Only the first part waits for the last vector.
#if defined(__x86_64__)
#include "avx512.h"
#include "rabinkarp.h"

namespace ibt {
namespace {

constexpr size_t LANES = 16;

// M^1 to M^16.
struct Powers {
  alignas(64) uint32_t of[LANES] = {};
  constexpr Powers() {
    uint32_t power = 1;
    for (uint32_t& p : of) p = power *= RABINKARP_M;
  }
};
constexpr Powers POWERS;
constexpr uint32_t power(size_t exponent) { return POWERS.of[exponent - 1]; }

AVX512_INLINE __m512i widen(const uint8_t* bytes) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

// sums + M^DISTANCE * the sums DISTANCE places back, of which the first lie in the last vector.
template <int DISTANCE>
AVX512_INLINE __m512i doubled(__m512i sums, __m512i& last) {
  __m512i back = _mm512_alignr_epi32(sums, last, int(LANES) - DISTANCE);
  last = sums;
  return _mm512_add_epi32(sums, _mm512_mullo_epi32(back, _mm512_set1_epi32(int(power(DISTANCE)))));
}

AVX512_INLINE __m128i load_word(const uint32_t* words, uint64_t index) {
  return _mm_cvtsi32_si128(int(words[index]));
}

AVX512_INLINE __m128i load_words(const uint32_t* words, __m128i indices) {
  const uint64_t low = uint64_t(_mm_cvtsi128_si64(indices)), high = uint64_t(_mm_extract_epi64(indices, 1));
  return _mm_unpacklo_epi64(_mm_unpacklo_epi32(load_word(words, uint32_t(low)), load_word(words, low >> 32)),
                            _mm_unpacklo_epi32(load_word(words, uint32_t(high)), load_word(words, high >> 32)));
}

// One by one: a gather is no faster here, and far slower on processors that must not leak what it reads ahead.
AVX512_INLINE __m512i load_words(const uint32_t* words, __m512i indices) {
  const __m128i w0 = load_words(words, _mm512_castsi512_si128(indices));
  const __m128i w1 = load_words(words, _mm512_extracti32x4_epi32(indices, 1));
  const __m128i w2 = load_words(words, _mm512_extracti32x4_epi32(indices, 2));
  const __m128i w3 = load_words(words, _mm512_extracti32x4_epi32(indices, 3));
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(w1, w0)), _mm256_set_m128i(w3, w2), 1);
}

// The lanes whose sums pass the first filter: WeakFilter::test.
AVX512_INLINE __mmask16 test(const uint32_t* words, __m128i shift, __m512i sums) {
  const __m512i word = load_words(words, _mm512_srl_epi32(sums, shift));
  // The bits are chosen by numbers modulo 32, as rotations are.
  __m512i bits = _mm512_ternarylogic_epi32(_mm512_rorv_epi32(word, sums),
                                           _mm512_rorv_epi32(word, _mm512_srli_epi32(sums, 5)),
                                           _mm512_rorv_epi32(word, _mm512_srli_epi32(sums, 10)), 0x80);
  return _mm512_test_epi32_mask(bits, _mm512_set1_epi32(1));
}

}  // namespace

AVX512 size_t rabinkarp_find_avx512(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave,
                                    const WeakFilter& filter, uint32_t& sum, bool& hit) {
  const uint8_t* in = bytes + leave.length;
  const uint32_t* words = filter.words();
  const __m128i shift = _mm_cvtsi32_si128(filter.shift());
  const __m512i weight = _mm512_set1_epi32(int(leave.of[1] - leave.of[0]));
  const __m512i adjust = _mm512_set1_epi32(int(leave.of[0]));
  const __m512i far = _mm512_set1_epi32(int(power(LANES)));
  __m512i last0 = _mm512_setzero_si512(), last1 = last0, last2 = last0, last3 = last0, sums = last0;
  // What the sums before this vector are now.
  __m512i carried = _mm512_mullo_epi32(_mm512_set1_epi32(int(sum)), _mm512_load_si512(POWERS.of));
  alignas(64) uint32_t places[LANES];
  size_t i = 0;
  for (; room - i >= LANES; i += LANES) {
    __m512i out = _mm512_add_epi32(_mm512_mullo_epi32(widen(bytes + i), weight), adjust);
    __m512i added = _mm512_sub_epi32(widen(in + i), out);
    added = doubled<1>(added, last0);
    added = doubled<2>(added, last1);
    added = doubled<4>(added, last2);
    added = doubled<8>(added, last3);
    sums = _mm512_add_epi32(carried, added);
    carried = _mm512_mullo_epi32(sums, far);
    unsigned hits = test(words, shift, sums);
    if (hits == 0) continue;
    _mm512_store_si512(places, sums);
    for (; hits != 0; hits &= hits - 1) {
      const int lane = __builtin_ctz(hits);
      if (!filter.confirms(places[lane])) continue;
      sum = places[lane];
      hit = true;
      return i + size_t(lane) + 1;
    }
  }
  if (i > 0) sum = uint32_t(_mm512_cvtsi512_si32(_mm512_alignr_epi32(sums, sums, int(LANES) - 1)));
  return i + rabinkarp_find_portable(bytes + i, room - i, leave, filter, sum, hit);
}

}  // namespace ibt
#endif
