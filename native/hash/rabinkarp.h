// librsync's RabinKarp sum, modulo 2^32: a polynomial in M with a leading 1, so that zeros at the front count.
#pragma once
#include <cstddef>
#include <cstdint>

#include "weak_filter.h"

namespace ibt {

constexpr uint32_t RABINKARP_SEED = 1;
constexpr uint32_t RABINKARP_M = 0x08104225;
// M * M^-1 = 1 modulo 2^32.
constexpr uint32_t RABINKARP_INVERSE = 0x98f009ad;
// What a byte that leaves a window takes with it besides itself, as the leading 1 moves on.
constexpr uint32_t RABINKARP_ADJUST = RABINKARP_M - 1;

// M^exponent.
uint32_t rabinkarp_power(uint64_t exponent);

// The sum of more bytes behind those of `sum`; start with RABINKARP_SEED.
uint32_t rabinkarp_portable(uint32_t sum, const uint8_t* bytes, size_t length);

// What is to be subtracted for a byte that leaves a window of a certain length: M^length * (byte + ADJUST).
struct RabinKarpLeave {
  explicit RabinKarpLeave(size_t length);
  uint32_t of[256];
  size_t length;
};

// Moves a window whose sum is `sum` from `bytes` on, at most `room` bytes, until the filter may have its sum.
// Returns how far it went; `hit` says whether the filter stopped it.
size_t rabinkarp_find_portable(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                               uint32_t& sum, bool& hit);

#if defined(__x86_64__)
uint32_t rabinkarp_avx2(uint32_t sum, const uint8_t* bytes, size_t length);
uint32_t rabinkarp_avx512(uint32_t sum, const uint8_t* bytes, size_t length);
size_t rabinkarp_find_avx2(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                           uint32_t& sum, bool& hit);
size_t rabinkarp_find_avx512(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                             uint32_t& sum, bool& hit);
#elif defined(__aarch64__)
uint32_t rabinkarp_neon(uint32_t sum, const uint8_t* bytes, size_t length);
size_t rabinkarp_find_neon(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                           uint32_t& sum, bool& hit);
#endif

}  // namespace ibt
