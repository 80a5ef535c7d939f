// Strong sums of blocks, of either kind.
#pragma once
#include "../engine.h"
#include "blake2b.h"
#include "md4.h"

namespace ibt {

// The longest digest, and the distance of digests where there are several.
constexpr size_t STRONG_MAX = BLAKE2B_DIGEST;
// Blocks that a kernel is given at once: as many as fill the widest vectors.
constexpr size_t STRONG_LANES = 16;

constexpr size_t strong_digest(Strong strong) { return strong == Strong::blake2 ? BLAKE2B_DIGEST : MD4_DIGEST; }

// `count` blocks of the same length, independent of each other; digests are STRONG_MAX bytes apart.
void strong_many(Strong strong, const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests);

// A strong sum of bytes that come in pieces.
class StrongStream {
 public:
  explicit StrongStream(Strong strong) : strong_(strong) {}
  void update(const uint8_t* bytes, size_t length);
  // Writes STRONG_MAX bytes at most and starts anew.
  void finish(uint8_t* digest);

 private:
  Strong strong_;
  Blake2b blake2b_;
  Md4 md4_;
};

}  // namespace ibt
