#include "search.h"

#include <algorithm>
#include <cstring>

namespace ibt {

// One call of `take`.
struct Search::Taken {
  const uint8_t* const bytes;
  const size_t length;
  Edits& edits;
  size_t position = 0;
  // Where the bytes begin that are in no edit yet.
  size_t literal = 0;
  std::vector<Candidate> candidates = {};
  // Where the candidates are to be hashed at the latest: so much is searched twice if the first of them is real.
  size_t settle_at = 0;

  void end_literal() {
    edits.literal(position - literal);
    literal = position;
  }
};

Search::Search(const Signature::State& basis, uint64_t expected)
    : basis_(basis),
      block_len_(basis.format.block_len),
      window_(basis.format.weak, block_len_),
      next_(basis.format.weak, block_len_),
      budget_(basis.format, basis.blocks()),
      expected_(size_t(std::min<uint64_t>(expected, basis.blocks()))) {}

size_t Search::take(const uint8_t* bytes, size_t length, Edits& edits) {
  if (basis_.blocks() == 0) {
    edits.literal(length);
    return length;
  }
  Taken taken{bytes, length, edits};
  size_t& position = taken.position;
  for (;;) {
    if (length - position < block_len_) {
      if (settle(taken)) continue;
      break;
    }
    const size_t room = length - position - block_len_;
    if (pass_ > 0) {
      const size_t passed = std::min(pass_, room + 1);
      position += passed;
      pass_ -= passed;
      budget_.earn(passed);
      continue;
    }
    if (sum_ == Sum::none) {
      taken.end_literal();
      const size_t followed = follow(bytes + position, length - position, edits);
      taken.literal = position += followed;
      if (length - position < block_len_) continue;
    }
    if (sum_ == Sum::none || sum_ == Sum::passed) {
      window_.lay(bytes + position, block_len_);
      sum_ = Sum::due;
    }
    if (sum_ == Sum::looked) {
      const size_t most = taken.candidates.empty() ? room : std::min(room, std::max(taken.settle_at, position) - position);
      bool hit;
      const size_t moved = window_.find(bytes + position, most, basis_.filter, hit);
      budget_.earn(moved);
      position += moved;
      if (!hit) {
        if (settle(taken) || moved < room) continue;
        break;
      }
    }
    sum_ = Sum::looked;
    look_up(taken);
  }
  taken.end_literal();
  return position;
}

// Copies blocks as long as they come in the basis' order: no search, and hashed side by side. It leaves the sum of the
// first window that is not the expected block. What is hashed in vain is less than what was copied before.
size_t Search::follow(const uint8_t* bytes, size_t length, Edits& edits) {
  size_t position = 0;
  bool go_on = true;
  while (go_on && length - position >= block_len_ && expected_ < basis_.blocks()) {
    const size_t most = std::min({ahead_, basis_.blocks() - expected_, (length - position) / block_len_});
    const uint8_t* blocks[STRONG_LANES];
    size_t count = 0;
    for (; count < most; count++) {
      blocks[count] = bytes + position + count * block_len_;
      window_.lay(blocks[count], block_len_);
      if (window_.key() != basis_.keys[expected_ + count]) break;
    }
    if (count == 0) {
      sum_ = Sum::due;
      break;
    }
    const size_t same = count_same(blocks, count);
    go_on = same == most;
    if (same > 0) edits.copy(uint64_t(expected_) * block_len_, uint64_t(same) * block_len_);
    position += same * block_len_;
    expected_ += same;
    ahead_ = same == count ? std::min(2 * ahead_, STRONG_LANES) : 1;
    // The window lies on the block behind those that were hashed, if there was one whose key differs.
    if (same == count && count < most) sum_ = Sum::due;
  }
  return position;
}

// How many of these blocks, from the first, have the strong sums of the expected ones.
size_t Search::count_same(const uint8_t* const* blocks, size_t count) {
  uint8_t digests[STRONG_LANES * STRONG_MAX];
  strong_many(basis_.format.strong, blocks, count, block_len_, digests);
  size_t same = 0;
  while (same < count && std::memcmp(digests + same * STRONG_MAX, basis_.strong_of(expected_ + same),
                                     basis_.format.strong_len) == 0) {
    same++;
  }
  return same;
}

void Search::look_up(Taken& taken) {
  const uint32_t key = window_.key();
  if (!basis_.filter.may_have(key)) return;
  const uint32_t block = basis_.any_of(key);
  if (block == NO_BLOCK) return;
  if (!budget_.allows()) {
    pass_ = size_t(budget_.wait());
    sum_ = Sum::passed;
    return;
  }
  if (ahead_ > 1 && continues(taken.bytes + taken.position, taken.length - taken.position, block)) {
    if (!settle(taken)) go_on_with(block);
    return;
  }
  std::vector<Candidate>& candidates = taken.candidates;
  if (candidates.empty()) taken.settle_at = taken.position + (taken.position - taken.literal) / 4;
  candidates.push_back({taken.position, key, budget_});
  budget_.spend();
  if (candidates.size() == STRONG_LANES) settle(taken);
}

// Whether the next block follows in the basis too: then the window is hardly there by chance.
bool Search::continues(const uint8_t* bytes, size_t length, uint32_t block) {
  if (length < 2 * block_len_ || block + size_t(1) >= basis_.blocks()) return false;
  next_.lay(bytes + block_len_, block_len_);
  return next_.key() == basis_.keys[block + size_t(1)];
}

// Hashes the candidates. Goes back behind the first that is in the basis, if one is.
bool Search::settle(Taken& taken) {
  const size_t count = taken.candidates.size();
  if (count == 0) return false;
  const uint8_t* windows[STRONG_LANES];
  uint8_t digests[STRONG_LANES * STRONG_MAX];
  for (size_t i = 0; i < count; i++) windows[i] = taken.bytes + taken.candidates[i].position;
  strong_many(basis_.format.strong, windows, count, block_len_, digests);
  for (size_t i = 0; i < count; i++) {
    const Candidate& candidate = taken.candidates[i];
    const uint32_t block = basis_.find(candidate.key, digests + i * STRONG_MAX);
    if (block == NO_BLOCK) continue;
    taken.position = candidate.position;
    taken.end_literal();
    taken.edits.copy(uint64_t(block) * block_len_, block_len_);
    taken.literal = taken.position += block_len_;
    budget_ = candidate.budget;
    pass_ = 0;
    go_on_with(uint64_t(block) + 1);
    taken.candidates.clear();
    return true;
  }
  taken.candidates.clear();
  return false;
}

void Search::go_on_with(uint64_t block) {
  expected_ = size_t(block);
  sum_ = Sum::none;
}

void Search::finish(const uint8_t* bytes, size_t length, Edits& edits) {
  if (length == 0) return;
  if (basis_.blocks() == 0) return edits.literal(length);
  const size_t last = basis_.blocks() - 1;
  size_t position = 0;
  window_.lay(bytes, length);
  for (; position < length; window_.shrink(bytes[position++])) {
    if (window_.key() != basis_.keys[last] || !budget_.allows()) continue;
    uint8_t digest[STRONG_MAX];
    const uint8_t* tail = bytes + position;
    strong_many(basis_.format.strong, &tail, 1, length - position, digest);
    if (std::memcmp(digest, basis_.strong_of(last), basis_.format.strong_len) == 0) break;
    budget_.spend();
  }
  edits.literal(position);
  if (position < length) edits.copy(uint64_t(last) * block_len_, length - position);
}

}  // namespace ibt
