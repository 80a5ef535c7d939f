// MD4 (RFC 1320): the strong sum of librsync's older signatures. Not safe against a forger.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ibt {

constexpr size_t MD4_DIGEST = 16;

class Md4 {
 public:
  void update(const uint8_t* bytes, size_t length);
  void finish(uint8_t* digest);

 private:
  void compress(const uint8_t* block);

  uint32_t state_[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  uint64_t length_ = 0;
  uint8_t block_[64];
};

// `count` blocks of the same length; digests are STRONG_MAX bytes apart.
void md4_many_portable(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);

}  // namespace ibt
