#include "weak.h"

#include "dispatch.h"

namespace ibt {

void WeakStream::update(const uint8_t* bytes, size_t length) {
  if (weak_ == Weak::rollsum) {
    rollsum_.update(bytes, length);
  } else {
    rabinkarp_ = kernels().rabinkarp(rabinkarp_, bytes, length);
  }
}

uint32_t WeakStream::finish() {
  uint32_t sum = weak_ == Weak::rollsum ? rollsum_.digest() : rabinkarp_;
  *this = WeakStream(weak_);
  return sum;
}

}  // namespace ibt
