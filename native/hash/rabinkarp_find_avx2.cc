// The search with AVX2: the sums at eight places in a row, one a lane.
//
// Moving on by a byte makes s' = s * M + d, with d = byte in - M^length * (byte out + ADJUST). So the sum at a place is
// M^8 times the sum 8 places back, plus the last 8 d, each times its power of M; and those come from three doublings: of
// 2 from 1 and the 1 before, of 4 from 2 and the 2 before, of 8 from 4 and the 4 before. Only the first part waits for
// the last vector.
#if defined(__x86_64__)
#include "avx2.h"
#include "rabinkarp.h"

namespace ibt {
namespace {

constexpr size_t LANES = 8;

// M^1 to M^8.
struct Powers {
  alignas(32) uint32_t of[LANES] = {};
  constexpr Powers() {
    uint32_t power = 1;
    for (uint32_t& p : of) p = power *= RABINKARP_M;
  }
};
constexpr Powers POWERS;
constexpr uint32_t power(size_t exponent) { return POWERS.of[exponent - 1]; }

AVX2_INLINE __m256i widen(const uint8_t* bytes) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
}

// sums + M^DISTANCE * the sums DISTANCE places back, of which the first lie in the last vector.
template <int DISTANCE>
AVX2_INLINE __m256i doubled(__m256i sums, __m256i& last) {
  __m256i back = _mm256_permute2x128_si256(last, sums, 0x21);
  if (DISTANCE < 4) back = _mm256_alignr_epi8(sums, back, 16 - 4 * (DISTANCE % 4));
  last = sums;
  return _mm256_add_epi32(sums, _mm256_mullo_epi32(back, _mm256_set1_epi32(int(power(DISTANCE)))));
}

AVX2_INLINE __m128i load_word(const uint32_t* words, uint64_t index) {
  return _mm_cvtsi32_si128(int(words[index]));
}

AVX2_INLINE __m128i load_words(const uint32_t* words, __m128i indices) {
  const uint64_t low = uint64_t(_mm_cvtsi128_si64(indices)), high = uint64_t(_mm_extract_epi64(indices, 1));
  return _mm_unpacklo_epi64(_mm_unpacklo_epi32(load_word(words, uint32_t(low)), load_word(words, low >> 32)),
                            _mm_unpacklo_epi32(load_word(words, uint32_t(high)), load_word(words, high >> 32)));
}

// The lanes whose sums pass the first filter: WeakFilter::test.
AVX2_INLINE unsigned test(const uint32_t* words, __m128i shift, __m256i sums) {
  // One by one: a gather is no faster here, and far slower on processors that must not leak what it reads ahead.
  const __m256i indices = _mm256_srl_epi32(sums, shift);
  const __m256i word = _mm256_set_m128i(load_words(words, _mm256_extracti128_si256(indices, 1)),
                                        load_words(words, _mm256_castsi256_si128(indices)));
  const __m256i low = _mm256_set1_epi32(31);
  __m256i bits = _mm256_srlv_epi32(word, _mm256_and_si256(sums, low));
  bits = _mm256_and_si256(bits, _mm256_srlv_epi32(word, _mm256_and_si256(_mm256_srli_epi32(sums, 5), low)));
  bits = _mm256_and_si256(bits, _mm256_srlv_epi32(word, _mm256_and_si256(_mm256_srli_epi32(sums, 10), low)));
  return unsigned(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 31))));
}

}  // namespace

AVX2 size_t rabinkarp_find_avx2(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                                uint32_t& sum, bool& hit) {
  const uint8_t* in = bytes + leave.length;
  const uint32_t* words = filter.words();
  const __m128i shift = _mm_cvtsi32_si128(filter.shift());
  const __m256i weight = _mm256_set1_epi32(int(leave.of[1] - leave.of[0]));
  const __m256i adjust = _mm256_set1_epi32(int(leave.of[0]));
  const __m256i far = _mm256_set1_epi32(int(power(LANES)));
  __m256i last0 = _mm256_setzero_si256(), last1 = last0, last2 = last0, sums = last0;
  // What the sums before this vector are now.
  __m256i carried = _mm256_mullo_epi32(_mm256_set1_epi32(int(sum)),
                                       _mm256_load_si256(reinterpret_cast<const __m256i*>(POWERS.of)));
  alignas(32) uint32_t places[LANES];
  size_t i = 0;
  for (; room - i >= LANES; i += LANES) {
    __m256i out = _mm256_add_epi32(_mm256_mullo_epi32(widen(bytes + i), weight), adjust);
    __m256i added = _mm256_sub_epi32(widen(in + i), out);
    added = doubled<1>(added, last0);
    added = doubled<2>(added, last1);
    added = doubled<4>(added, last2);
    sums = _mm256_add_epi32(carried, added);
    carried = _mm256_mullo_epi32(sums, far);
    unsigned hits = test(words, shift, sums);
    if (hits == 0) continue;
    _mm256_store_si256(reinterpret_cast<__m256i*>(places), sums);
    for (; hits != 0; hits &= hits - 1) {
      const int lane = __builtin_ctz(hits);
      if (!filter.confirms(places[lane])) continue;
      sum = places[lane];
      hit = true;
      return i + size_t(lane) + 1;
    }
  }
  if (i > 0) sum = uint32_t(_mm256_extract_epi32(sums, 7));
  return i + rabinkarp_find_portable(bytes + i, room - i, leave, filter, sum, hit);
}

}  // namespace ibt
#endif
