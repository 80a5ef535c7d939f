// The classic rollsum of rsync and of librsync before 2.2: two 16-bit sums.
#pragma once
#include <cstddef>
#include <cstdint>

#include "weak_filter.h"

namespace ibt {

constexpr uint32_t ROLLSUM_OFFSET = 31;

// The sums are kept wider than the 16 bits that count, which spares the masks.
struct Rollsum {
  uint32_t s1 = 0;
  uint32_t s2 = 0;

  uint32_t digest() const { return s2 << 16 | (s1 & 0xffff); }
  void update(const uint8_t* bytes, size_t length);
  // Moves a window of `length` bytes by one.
  void rotate(uint8_t out, uint8_t in, uint32_t length) {
    s1 += uint32_t(in) - out;
    s2 += s1 - length * (out + ROLLSUM_OFFSET);
  }
  // Drops the first of `length` bytes.
  void shrink(uint8_t out, uint32_t length) {
    s1 -= out + ROLLSUM_OFFSET;
    s2 -= length * (out + ROLLSUM_OFFSET);
  }
};

// Spreads rollsums, which crowd together, over 32 bits (the finaliser of MurmurHash3; one to one). For look-ups only.
inline uint32_t mix32(uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6b;
  x = (x ^ x >> 13) * 0xc2b2ae35;
  return x ^ x >> 16;
}

// Moves a window of `length` bytes from `bytes` on, at most `room` bytes, until the filter may have its mixed sum.
// Returns how far it went; `hit` says whether the filter stopped it.
size_t rollsum_find(const uint8_t* bytes, size_t room, size_t length, const WeakFilter& filter, Rollsum& sum, bool& hit);

}  // namespace ibt
