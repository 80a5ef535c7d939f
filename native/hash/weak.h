// Weak sums, of either kind.
#pragma once
#include "../engine.h"
#include "rabinkarp.h"
#include "rollsum.h"

namespace ibt {

// What a weak sum is looked up by: spread evenly over 32 bits, one to one.
inline uint32_t weak_key(Weak weak, uint32_t sum) { return weak == Weak::rollsum ? mix32(sum) : sum; }

// A weak sum of bytes that come in pieces.
class WeakStream {
 public:
  explicit WeakStream(Weak weak) : weak_(weak) {}
  void update(const uint8_t* bytes, size_t length);
  // Starts anew.
  uint32_t finish();

 private:
  Weak weak_;
  uint32_t rabinkarp_ = RABINKARP_SEED;
  Rollsum rollsum_;
};

}  // namespace ibt
