// The search with NEON: the sums at four places in a row, one a lane; see rabinkarp_find_avx2.cc.
#if defined(__aarch64__)
#include "neon.h"
#include "rabinkarp.h"

namespace ibt {
namespace {

constexpr size_t LANES = 4;

// M^1 to M^4.
struct Powers {
  uint32_t of[LANES] = {};
  constexpr Powers() {
    uint32_t power = 1;
    for (uint32_t& p : of) p = power *= RABINKARP_M;
  }
};
constexpr Powers POWERS;
constexpr uint32_t power(size_t exponent) { return POWERS.of[exponent - 1]; }

// sums + M^DISTANCE * the sums DISTANCE places back, of which the first lie in the last vector.
template <int DISTANCE>
NEON_INLINE uint32x4_t doubled(uint32x4_t sums, uint32x4_t& last) {
  const uint32x4_t back = vextq_u32(last, sums, LANES - DISTANCE);
  last = sums;
  return vmlaq_n_u32(sums, back, power(DISTANCE));
}

// Each lane shifted right by the low five bits of its count.
NEON_INLINE uint32x4_t shift_right(uint32x4_t values, uint32x4_t counts) {
  return vshlq_u32(values, vnegq_s32(vreinterpretq_s32_u32(vandq_u32(counts, vdupq_n_u32(31)))));
}

// 1 in the lanes whose sums pass the first filter: WeakFilter::test.
NEON_INLINE uint32x4_t test(const uint32_t* words, int32x4_t shift, uint32x4_t sums) {
  const uint32x4_t indices = vshlq_u32(sums, shift);
  uint32x4_t word = vdupq_n_u32(words[vgetq_lane_u32(indices, 0)]);
  word = vsetq_lane_u32(words[vgetq_lane_u32(indices, 1)], word, 1);
  word = vsetq_lane_u32(words[vgetq_lane_u32(indices, 2)], word, 2);
  word = vsetq_lane_u32(words[vgetq_lane_u32(indices, 3)], word, 3);
  uint32x4_t bits = vandq_u32(shift_right(word, sums), vdupq_n_u32(1));
  bits = vandq_u32(bits, shift_right(word, vshrq_n_u32(sums, 5)));
  return vandq_u32(bits, shift_right(word, vshrq_n_u32(sums, 10)));
}

}  // namespace

size_t rabinkarp_find_neon(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                           uint32_t& sum, bool& hit) {
  const uint8_t* in = bytes + leave.length;
  const uint32_t* words = filter.words();
  const int32x4_t shift = vdupq_n_s32(-filter.shift());
  const uint32_t weight = leave.of[1] - leave.of[0];
  const uint32x4_t adjust = vdupq_n_u32(leave.of[0]);
  uint32x4_t last0 = vdupq_n_u32(0), last1 = last0, sums = last0;
  // What the sums before this vector are now.
  uint32x4_t carried = vmulq_n_u32(vld1q_u32(POWERS.of), sum);
  size_t i = 0;
  for (; room - i >= LANES; i += LANES) {
    const uint32x4_t out = vmlaq_n_u32(adjust, widen_u8x4(bytes + i), weight);
    uint32x4_t added = vsubq_u32(widen_u8x4(in + i), out);
    added = doubled<1>(added, last0);
    added = doubled<2>(added, last1);
    sums = vaddq_u32(carried, added);
    carried = vmulq_n_u32(sums, power(LANES));
    const uint32x4_t hits = test(words, shift, sums);
    if (vmaxvq_u32(hits) == 0) continue;
    uint32_t passed[LANES], places[LANES];
    vst1q_u32(passed, hits);
    vst1q_u32(places, sums);
    for (size_t lane = 0; lane < LANES; lane++) {
      if (passed[lane] == 0 || !filter.confirms(places[lane])) continue;
      sum = places[lane];
      hit = true;
      return i + lane + 1;
    }
  }
  if (i > 0) sum = vgetq_lane_u32(sums, LANES - 1);
  return i + rabinkarp_find_portable(bytes + i, room - i, leave, filter, sum, hit);
}

}  // namespace ibt
#endif
