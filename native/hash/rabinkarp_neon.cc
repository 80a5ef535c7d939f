// RabinKarp of a block with NEON: 32 sums side by side, each of every 32nd byte, put together at the end.
#if defined(__aarch64__)
#include "neon.h"
#include "rabinkarp.h"

namespace ibt {
namespace {

constexpr size_t STEP = 32;
constexpr size_t VECTORS = STEP / 4;

struct Weights {
  // M^(31 - i): of byte i of a step.
  uint32_t of[STEP] = {};
  uint32_t step = 1;

  constexpr Weights() {
    for (size_t i = STEP; i-- > 0; step *= RABINKARP_M) of[i] = step;
  }
};
constexpr Weights WEIGHTS;

// Four sums, each times `step` and with its next byte.
NEON_INLINE void add_four(uint32x4_t& sums, uint16x4_t bytes, uint32x4_t step) {
  sums = vmlaq_u32(vmovl_u16(bytes), sums, step);
}

}  // namespace

uint32_t rabinkarp_neon(uint32_t sum, const uint8_t* bytes, size_t length) {
  const uint32x4_t step = vdupq_n_u32(WEIGHTS.step);
  uint32x4_t sums[VECTORS];
  for (uint32x4_t& vector : sums) vector = vdupq_n_u32(0);
  for (; length >= STEP; bytes += STEP, length -= STEP) {
    for (size_t half = 0; half < 2; half++) {
      const uint8x16_t sixteen = vld1q_u8(bytes + 16 * half);
      const uint16x8_t low = vmovl_u8(vget_low_u8(sixteen)), high = vmovl_u8(vget_high_u8(sixteen));
      add_four(sums[4 * half], vget_low_u16(low), step);
      add_four(sums[4 * half + 1], vget_high_u16(low), step);
      add_four(sums[4 * half + 2], vget_low_u16(high), step);
      add_four(sums[4 * half + 3], vget_high_u16(high), step);
    }
    sum *= WEIGHTS.step;
  }
  uint32x4_t all = vdupq_n_u32(0);
  for (size_t i = 0; i < VECTORS; i++) all = vmlaq_u32(all, sums[i], vld1q_u32(WEIGHTS.of + 4 * i));
  return rabinkarp_portable(sum + vaddvq_u32(all), bytes, length);
}

}  // namespace ibt
#endif
