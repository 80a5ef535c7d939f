// The window that moves over the new content, and its weak sum.
#pragma once
#include "../hash/weak.h"

namespace ibt {

class Window {
 public:
  Window(Weak weak, size_t block_len) : weak_(weak), block_len_(block_len), leave_(block_len) {}

  // Lays the window on these bytes: a block, or what is left at the end.
  void lay(const uint8_t* bytes, size_t length);
  // Moves a window of a block from `bytes` on, at most `room` bytes, until the filter may have its key.
  // Returns how far it went; `hit` says whether the filter stopped it.
  size_t find(const uint8_t* bytes, size_t room, const WeakFilter& filter, bool& hit);
  // Drops the first byte.
  void shrink(uint8_t out);
  uint32_t key() const { return weak_ == Weak::rollsum ? mix32(rollsum_.digest()) : rabinkarp_; }

 private:
  Weak weak_;
  size_t block_len_;
  RabinKarpLeave leave_;
  size_t length_ = 0;
  uint32_t rabinkarp_ = 0;
  // M^length_, known once the window shrinks.
  uint32_t weight_ = 0;
  Rollsum rollsum_;
};

}  // namespace ibt
