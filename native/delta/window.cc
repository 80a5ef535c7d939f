#include "window.h"

#include "../hash/dispatch.h"

namespace ibt {

void Window::lay(const uint8_t* bytes, size_t length) {
  length_ = length;
  weight_ = 0;
  if (weak_ == Weak::rollsum) {
    rollsum_ = Rollsum();
    rollsum_.update(bytes, length);
  } else {
    rabinkarp_ = kernels().rabinkarp(RABINKARP_SEED, bytes, length);
  }
}

size_t Window::find(const uint8_t* bytes, size_t room, const WeakFilter& filter, bool& hit) {
  if (weak_ == Weak::rollsum) return rollsum_find(bytes, room, block_len_, filter, rollsum_, hit);
  return kernels().rabinkarp_find(bytes, room, leave_, filter, rabinkarp_, hit);
}

void Window::shrink(uint8_t out) {
  if (weak_ == Weak::rollsum) {
    rollsum_.shrink(out, uint32_t(length_));
  } else {
    // A power of an odd number is never 0.
    if (weight_ == 0) weight_ = rabinkarp_power(length_);
    weight_ *= RABINKARP_INVERSE;
    rabinkarp_ -= weight_ * (out + RABINKARP_ADJUST);
  }
  length_--;
}

}  // namespace ibt
