// BLAKE2b (RFC 7693) as librsync uses it: 32-byte digests, no key.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ibt {

constexpr size_t BLAKE2B_DIGEST = 32;
constexpr size_t BLAKE2B_BLOCK = 128;

constexpr uint64_t BLAKE2B_IV[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

constexpr uint8_t BLAKE2B_SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

// The first word of the parameter block: tree depth 1, fan-out 1, no key, the digest's length.
constexpr uint64_t BLAKE2B_PARAMETERS = 0x01010000 ^ BLAKE2B_DIGEST;

class Blake2b {
 public:
  Blake2b();
  void update(const uint8_t* bytes, size_t length);
  void finish(uint8_t* digest);

 private:
  void compress(const uint8_t* block, size_t length, bool last);

  uint64_t state_[8];
  uint64_t length_ = 0;
  // The last block is compressed differently, so a full one waits here until more comes.
  uint8_t block_[BLAKE2B_BLOCK];
  size_t held_ = 0;
};

// `count` blocks of the same length; digests are STRONG_MAX bytes apart.
void blake2b_many_portable(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
#if defined(__x86_64__)
void blake2b_many_avx2(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
void blake2b_many_avx512(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
#elif defined(__aarch64__)
void blake2b_many_neon(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);
#endif

}  // namespace ibt
