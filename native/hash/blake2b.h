// BLAKE2b (RFC 7693) as librsync uses it: 32-byte digests, no key.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ibt {

constexpr size_t BLAKE2B_DIGEST = 32;

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
  uint8_t block_[128];
  size_t held_ = 0;
};

// `count` blocks of the same length; digests are STRONG_MAX bytes apart.
void blake2b_many_portable(const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);

}  // namespace ibt
