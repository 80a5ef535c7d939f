#include "dispatch.h"

#include "blake2b.h"
#include "md4.h"
#include "sha256.h"

namespace ibt {

const Kernels PORTABLE_KERNELS = {blake2b_many_portable, md4_many_portable, rabinkarp_portable, rabinkarp_find_portable,
                                  sha256_blocks_portable};

namespace {

Kernels choose_kernels() {
  Kernels chosen = PORTABLE_KERNELS;
#if defined(__x86_64__)
  if (sha256_shani_works()) chosen.sha256_blocks = sha256_blocks_shani;
#endif
  return chosen;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels chosen = choose_kernels();
  return chosen;
}

}  // namespace ibt
