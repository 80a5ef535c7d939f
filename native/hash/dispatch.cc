#include "dispatch.h"

#include "blake2b.h"
#include "md4.h"
#include "sha256.h"

namespace ibt {

const Kernels PORTABLE_KERNELS = {blake2b_many_portable, md4_many_portable, rabinkarp_portable, rabinkarp_find_portable,
                                  sha256_blocks_portable, sha256_pair_portable};

Kernels kernels_at(Simd simd) {
  Kernels chosen = PORTABLE_KERNELS;
  if (simd == Simd::portable) return chosen;
#if defined(__x86_64__)
  if (sha256_shani_works()) {
    chosen.sha256_blocks = sha256_blocks_shani;
    chosen.sha256_pair = sha256_pair_shani;
  }
  chosen.blake2b_many = blake2b_many_avx2;
  chosen.md4_many = md4_many_avx2;
  chosen.rabinkarp = rabinkarp_avx2;
  chosen.rabinkarp_find = rabinkarp_find_avx2;
  if (simd == Simd::avx2) return chosen;
  chosen.blake2b_many = blake2b_many_avx512;
  chosen.md4_many = md4_many_avx512;
  chosen.rabinkarp = rabinkarp_avx512;
  chosen.rabinkarp_find = rabinkarp_find_avx512;
#elif defined(__aarch64__)
  if (sha256_armv8_works()) {
    chosen.sha256_blocks = sha256_blocks_armv8;
    chosen.sha256_pair = sha256_pair_armv8;
  }
  chosen.blake2b_many = blake2b_many_neon;
  chosen.md4_many = md4_many_neon;
  chosen.rabinkarp = rabinkarp_neon;
  chosen.rabinkarp_find = rabinkarp_find_neon;
#endif
  return chosen;
}

const Kernels& kernels() {
  static const Kernels chosen = kernels_at(simd_chosen());
  return chosen;
}

}  // namespace ibt
