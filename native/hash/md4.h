// MD4 (RFC 1320): the strong sum of librsync's older signatures. Not safe against a forger.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ibt {

constexpr size_t MD4_DIGEST = 16;
constexpr size_t MD4_BLOCK = 64;
constexpr uint32_t MD4_START[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
// Added in each step of the second and the third round.
constexpr uint32_t MD4_ROUND_2 = 0x5a827999;
constexpr uint32_t MD4_ROUND_3 = 0x6ed9eba1;

class Md4 {
 public:
  void update(const uint8_t* bytes, size_t length);
  void finish(uint8_t* digest);

 private:
  void compress(const uint8_t* block);

  uint32_t state_[4] = {MD4_START[0], MD4_START[1], MD4_START[2], MD4_START[3]};
  uint64_t length_ = 0;
  uint8_t block_[MD4_BLOCK];
};

// `count` blocks of the same length; digests are STRONG_MAX bytes apart.
void md4_many_portable(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
#if defined(__x86_64__)
void md4_many_avx2(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
void md4_many_avx512(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
#elif defined(__aarch64__)
void md4_many_neon(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
#endif

}  // namespace ibt
