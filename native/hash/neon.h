// For the kernels of ARM64, whose vectors of 128 bits every such processor has.
#pragma once
#include <arm_neon.h>

#include <cstring>

#define NEON_INLINE __attribute__((always_inline)) inline

namespace ibt {

// At any alignment.
NEON_INLINE uint64x2_t load_u64x2(const uint8_t* bytes) { return vreinterpretq_u64_u8(vld1q_u8(bytes)); }
NEON_INLINE uint32x4_t load_u32x4(const uint8_t* bytes) { return vreinterpretq_u32_u8(vld1q_u8(bytes)); }

// Four bytes, each in a lane of its own.
NEON_INLINE uint32x4_t widen_u8x4(const uint8_t* bytes) {
  uint32_t four;
  std::memcpy(&four, bytes, sizeof four);
  return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
}

}  // namespace ibt
