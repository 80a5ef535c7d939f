// SHA-256 with the cryptographic extension of ARMv8: four rounds an instruction, for each half of the state.
#if defined(__aarch64__)
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "neon.h"
#include "sha256.h"

#if defined(__clang__)
#define WITH_SHA2 __attribute__((target("sha2")))
#else
#define WITH_SHA2 __attribute__((target("+crypto")))
#endif

namespace ibt {

bool sha256_armv8_works() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0;
#elif defined(__APPLE__)
  // Every ARM64 processor of theirs has it.
  return true;
#else
  return false;
#endif
}

WITH_SHA2 void sha256_blocks_armv8(uint32_t* state, const uint8_t* blocks, size_t count) {
  uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
  for (; count > 0; blocks += 64, count--) {
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    uint32x4_t w[4];
    for (size_t i = 0; i < 4; i++) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks + 16 * i)));
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
      const uint32x4_t k = vaddq_u32(w[i & 3], vld1q_u32(SHA256_K + 4 * i));
      if (i < 12) {
        // The words 16 places on: w[t-16] + s0(w[t-15]) + w[t-7] + s1(w[t-2]).
        w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
      }
      const uint32x4_t abcd_now = abcd;
      abcd = vsha256hq_u32(abcd, efgh, k);
      efgh = vsha256h2q_u32(efgh, abcd_now, k);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}

void sha256_pair_armv8(uint32_t* const* states, const uint8_t* const* blocks, size_t count) {
  for (size_t i = 0; i < 2; i++) sha256_blocks_armv8(states[i], blocks[i], count);
}

}  // namespace ibt
#endif
