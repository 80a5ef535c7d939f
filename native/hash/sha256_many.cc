#include <algorithm>
#include <cstring>

#include "../engine.h"
#include "bytes.h"
#include "dispatch.h"
#include "sha256.h"

namespace ibt {
namespace {

constexpr size_t BLOCK = 64;

// A content on its way: its whole blocks, then what is left of it with the padding.
class Lane {
 public:
  bool busy() const { return left_ > 0; }
  // Blocks that lie one behind the other.
  size_t left() const { return left_; }
  const uint8_t* next() const { return next_; }
  uint32_t* state() { return state_.data(); }

  void start(const Content& content, uint8_t* digest) {
    state_ = SHA256_START;
    digest_ = digest;
    next_ = content.bytes;
    left_ = content.length / BLOCK;
    const size_t rest = content.length % BLOCK;
    tail_blocks_ = rest + 9 <= BLOCK ? 1 : 2;
    std::memset(tail_, 0, sizeof tail_);
    if (rest > 0) std::memcpy(tail_, content.bytes + content.length - rest, rest);
    tail_[rest] = 0x80;
    store_be(tail_ + BLOCK * tail_blocks_ - 8, uint64_t(content.length) * 8, 8);
    if (left_ == 0) go_to_tail();
  }

  void took(size_t blocks) {
    next_ += BLOCK * blocks;
    left_ -= blocks;
    if (left_ > 0) return;
    if (tail_blocks_ > 0) go_to_tail();
    else sha256_digest(state_.data(), digest_);
  }

 private:
  void go_to_tail() {
    next_ = tail_;
    left_ = tail_blocks_;
    tail_blocks_ = 0;
  }

  std::array<uint32_t, 8> state_;
  uint8_t* digest_ = nullptr;
  const uint8_t* next_ = nullptr;
  size_t left_ = 0;
  size_t tail_blocks_ = 0;
  uint8_t tail_[2 * BLOCK];
};

}  // namespace

void sha256_many(const Content* contents, size_t count, uint8_t* digests) {
  Lane lanes[2];
  Lane &a = lanes[0], &b = lanes[1];
  for (size_t started = 0;;) {
    for (Lane& lane : lanes) {
      if (lane.busy() || started == count) continue;
      lane.start(contents[started], digests + 32 * started);
      started++;
    }
    if (a.busy() && b.busy()) {
      const size_t blocks = std::min(a.left(), b.left());
      uint32_t* const states[] = {a.state(), b.state()};
      const uint8_t* const next[] = {a.next(), b.next()};
      kernels().sha256_pair(states, next, blocks);
      a.took(blocks);
      b.took(blocks);
      continue;
    }
    Lane& lane = a.busy() ? a : b;
    if (!lane.busy()) return;
    const size_t blocks = lane.left();
    kernels().sha256_blocks(lane.state(), lane.next(), blocks);
    lane.took(blocks);
  }
}

}  // namespace ibt
