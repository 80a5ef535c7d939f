// How much the encoder may hash in vain, so that weak sums which collide on purpose cannot stop it.
#pragma once
#include <algorithm>
#include <cstdint>

#include "../engine.h"

namespace ibt {

// Counted in bytes: a window costs its length and 256 more, for what is done besides. There are
//
//   16 windows + 1 MiB + (4 + 2 * blocks * cost / 2^32) a byte of new content that was searched
//
// By chance alone a place hits one of the basis' weak sums once in 2^32 / blocks, so vain hashing takes blocks * cost /
// 2^32 a byte; twice that is never used up by honest content, however large the basis. 4 bytes a byte, hashed side by
// side, cost about what the search does. Rollsums collide in honest text: they get sixteen times as much.
// Places that are beyond the budget become literals. What is hashed and found costs nothing.
class Budget {
 public:
  Budget(const SignatureFormat& format, uint64_t blocks)
      : cost_(format.block_len + WINDOW_BYTES),
        rate_((format.weak == Weak::rollsum ? 16 : 1) *
              (4 + 2 * std::min(RATE_MAX, blocks * cost_ >> 32))),
        bytes_(16 * cost_ + (1 << 20)) {}

  bool allows() const { return bytes_ >= cost_; }
  void spend() { bytes_ -= std::min(bytes_, cost_); }
  void earn(uint64_t searched) { bytes_ = std::min(bytes_ + searched * rate_, BYTES_MAX); }
  // Bytes of content that earn what is missing for a window.
  uint64_t wait() const { return (cost_ - bytes_ + rate_ - 1) / rate_; }

 private:
  static constexpr uint64_t WINDOW_BYTES = 256;
  // Far from any real basis, and from overflow.
  static constexpr uint64_t RATE_MAX = uint64_t(1) << 20;
  static constexpr uint64_t BYTES_MAX = uint64_t(1) << 60;

  uint64_t cost_;
  uint64_t rate_;
  uint64_t bytes_;
};

}  // namespace ibt
