// The one place that chooses kernels for this processor. A kernel is a file; the portable ones say what is right.
#pragma once
#include <cstddef>
#include <cstdint>

#include "rabinkarp.h"
#include "simd.h"

namespace ibt {

struct Kernels {
  // Described in strong.h.
  void (*blake2b_many)(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
  void (*md4_many)(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
  // Described in rabinkarp.h.
  uint32_t (*rabinkarp)(uint32_t sum, const uint8_t* bytes, size_t length);
  size_t (*rabinkarp_find)(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                           uint32_t& sum, bool& hit);
  // Described in sha256.h.
  void (*sha256_blocks)(uint32_t* state, const uint8_t* blocks, size_t count);
  void (*sha256_pair)(uint32_t* const* states, const uint8_t* const* blocks, size_t count);
};

extern const Kernels PORTABLE_KERNELS;

// The kernels of a level that is available, for comparisons.
Kernels kernels_at(Simd simd);

// Those of simd_chosen().
const Kernels& kernels();

}  // namespace ibt
