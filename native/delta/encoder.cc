#include <algorithm>
#include <cstring>

#include "../hash/bytes.h"
#include "../hash/strong.h"
#include "../signature/index.h"
#include "commands.h"
#include "window.h"

namespace ibt {
namespace {

// How much may be hashed in vain, in bytes, so that weak sums which collide on purpose cannot stop the encoder:
//
//   16 blocks + 1 MiB + (16 + 2 * basis bytes / 2^32) a byte of new content that was searched
//
// By chance alone a place hits one of the basis' weak sums once in 2^32 / blocks, so vain hashing takes basis bytes /
// 2^32 a byte; twice that, and a start, are never used up by honest content. 16 bytes a byte slow the search down to
// about what rdiff needs for new content without any collision. Rollsums collide in honest text, so they get 64.
// What is over the limit becomes literals. What is hashed and found costs nothing.
class Budget {
 public:
  explicit Budget(const SignatureFormat& format, uint64_t blocks)
      : block_len_(format.block_len),
        rate_((format.weak == Weak::rollsum ? 64 : 16) +
              std::min<uint64_t>(RATE_MAX, 2 * ((blocks * format.block_len >> 32) + 1))),
        bytes_(16 * uint64_t(format.block_len) + (1 << 20)) {}

  bool allows() const { return bytes_ >= block_len_; }
  void earn(uint64_t searched) { bytes_ = std::min(bytes_ + searched * rate_, BYTES_MAX); }
  void spend() { bytes_ -= std::min(bytes_, block_len_); }

 private:
  // Far from any real basis, and from overflow.
  static constexpr uint64_t RATE_MAX = uint64_t(1) << 20;
  static constexpr uint64_t BYTES_MAX = uint64_t(1) << 60;

  uint64_t block_len_;
  uint64_t rate_;
  uint64_t bytes_;
};

// What is known of the window at the next byte.
enum class Sum {
  none,    // its sum is not known: a match ended here
  due,     // its sum is known, but was not looked up
  looked,  // it was looked up in vain
};

}  // namespace

// Greedy as rdiff: at every byte the window of block_len bytes is looked up; where it is in the basis it is copied, else
// one byte becomes literal. What the windows see is contiguous: the caller's bytes, or at the seams of two calls `rest_`.
struct DeltaEncoder::State {
  explicit State(std::shared_ptr<const Signature> signature)
      : signature(std::move(signature)),
        basis(this->signature->state()),
        block_len(basis.format.block_len),
        window(basis.format.weak, block_len),
        budget(basis.format, basis.blocks()) {}

  std::shared_ptr<const Signature> signature;
  const Signature::State& basis;
  const size_t block_len;
  Window window;
  Budget budget;
  CommandWriter commands;
  Sum sum = Sum::none;
  // The block that comes next if new content goes on as the basis does; and how many to try at once: only keys that
  // lied, with other strong sums behind them, lower it.
  size_t expected = 0;
  size_t ahead = STRONG_LANES;
  bool started = false;
  // Bytes that are in no command yet, from `rest_at` on: less than a block, or one whose window was looked up in vain.
  Bytes rest;
  size_t rest_at = 0;

  void start(Bytes& out) {
    if (started) return;
    started = true;
    append_be(out, DELTA_MAGIC, 4);
  }

  // Copies blocks as long as they come in the basis' order: no search, and hashed side by side. It leaves the sum of
  // the first window that is not the expected block.
  size_t follow(const uint8_t* bytes, size_t length, Bytes& out) {
    size_t position = 0;
    bool go_on = true;
    while (go_on && length - position >= block_len && expected < basis.blocks()) {
      size_t most = std::min({ahead, basis.blocks() - expected, (length - position) / block_len});
      const uint8_t* blocks[STRONG_LANES];
      size_t count = 0;
      for (; count < most; count++) {
        blocks[count] = bytes + position + count * block_len;
        window.lay(blocks[count], block_len);
        if (window.key() != basis.keys[expected + count]) break;
      }
      if (count == 0) {
        sum = Sum::due;
        break;
      }
      size_t same = count_same(blocks, count);
      go_on = same == most;
      if (same < count) budget.spend();
      if (same > 0) commands.copy(uint64_t(expected) * block_len, uint64_t(same) * block_len, out);
      position += same * block_len;
      expected += same;
      ahead = same == count ? std::min(2 * ahead, STRONG_LANES) : 1;
      // The window lies on the block behind those that were hashed, if there was one whose key differs.
      if (same == count && count < most) sum = Sum::due;
    }
    return position;
  }

  // How many of these blocks, from the first, have the strong sums of the expected ones.
  size_t count_same(const uint8_t* const* blocks, size_t count) {
    uint8_t digests[STRONG_LANES * STRONG_MAX];
    strong_many(basis.format.strong, blocks, count, block_len, digests);
    size_t same = 0;
    while (same < count && std::memcmp(digests + same * STRONG_MAX, basis.strong_of(expected + same),
                                       basis.format.strong_len) == 0) {
      same++;
    }
    return same;
  }

  // The basis' block that the window on these bytes equals, or NO_BLOCK.
  uint32_t look_up(const uint8_t* bytes) {
    uint32_t key = window.key();
    if (!basis.filter.may_have(key) || !basis.has(key) || !budget.allows()) return NO_BLOCK;
    uint8_t digest[STRONG_MAX];
    strong_many(basis.format.strong, &bytes, 1, block_len, digest);
    uint32_t block = basis.find(key, digest);
    if (block == NO_BLOCK) budget.spend();
    return block;
  }

  // Takes contiguous bytes as far as whole windows lie in them; returns how far.
  size_t take(const uint8_t* bytes, size_t length, Bytes& out) {
    if (basis.blocks() == 0) {
      commands.literal(bytes, length, out);
      return length;
    }
    size_t position = 0, literal = 0;
    while (length - position >= block_len) {
      if (sum == Sum::none) {
        position += follow(bytes + position, length - position, out);
        literal = position;
        if (length - position < block_len) break;
        if (sum == Sum::none) window.lay(bytes + position, block_len);
        sum = Sum::due;
      }
      if (sum == Sum::looked) {
        bool hit;
        size_t moved = window.find(bytes + position, length - position - block_len, basis.filter, hit);
        budget.earn(moved);
        position += moved;
        if (!hit) break;
      }
      sum = Sum::looked;
      uint32_t block = look_up(bytes + position);
      if (block == NO_BLOCK) continue;
      commands.literal(bytes + literal, position - literal, out);
      commands.copy(uint64_t(block) * block_len, block_len, out);
      position += block_len;
      literal = position;
      expected = size_t(block) + 1;
      sum = Sum::none;
    }
    commands.literal(bytes + literal, position - literal, out);
    return position;
  }

  void keep(const uint8_t* bytes, size_t length) {
    // Moved to the front only when that halves it, so that many short calls do not move a long rest each time.
    if (rest_at >= rest.size() - rest_at) {
      rest.erase(rest.begin(), rest.begin() + std::ptrdiff_t(rest_at));
      rest_at = 0;
    }
    rest.insert(rest.end(), bytes, bytes + length);
  }

  void update(const uint8_t* bytes, size_t length, Bytes& out) {
    if (length == 0) return;
    size_t held = rest.size() - rest_at;
    if (held > 0) {
      // One block more completes every window that begins in the rest.
      size_t more = std::min(length, block_len);
      keep(bytes, more);
      rest_at += take(rest.data() + rest_at, rest.size() - rest_at, out);
      held = rest.size() - rest_at;
      if (held > more) return;
      bytes += more - held;
      length -= more - held;
      rest.clear();
      rest_at = 0;
    }
    size_t taken = take(bytes, length, out);
    keep(bytes + taken, length - taken);
  }

  // The last window shrinks with what is left, and only the basis' last block can be as short.
  void finish(Bytes& out) {
    const uint8_t* bytes = rest.data() + rest_at;
    size_t length = rest.size() - rest_at, position = 0;
    if (length > 0 && basis.blocks() > 0) {
      const size_t last = basis.blocks() - 1;
      window.lay(bytes, length);
      for (; position < length; window.shrink(bytes[position++])) {
        if (window.key() != basis.keys[last] || !budget.allows()) continue;
        uint8_t digest[STRONG_MAX];
        const uint8_t* tail = bytes + position;
        strong_many(basis.format.strong, &tail, 1, length - position, digest);
        if (std::memcmp(digest, basis.strong_of(last), basis.format.strong_len) == 0) break;
        budget.spend();
      }
    }
    if (basis.blocks() == 0) position = length;
    commands.literal(bytes, position, out);
    if (position < length) {
      commands.copy(uint64_t(basis.blocks() - 1) * block_len, length - position, out);
    }
    commands.finish(out);
    rest = Bytes();
    rest_at = 0;
  }
};

DeltaEncoder::DeltaEncoder(std::shared_ptr<const Signature> basis)
    : state_(std::make_unique<State>(std::move(basis))) {}
DeltaEncoder::~DeltaEncoder() = default;

void DeltaEncoder::update(const uint8_t* bytes, size_t length, Bytes& out) {
  state_->start(out);
  state_->update(bytes, length, out);
}

void DeltaEncoder::finish(Bytes& out) {
  state_->start(out);
  state_->finish(out);
}

uint64_t DeltaEncoder::copies() const { return state_->commands.copies(); }
uint64_t DeltaEncoder::copied_bytes() const { return state_->commands.copied_bytes(); }

}  // namespace ibt
