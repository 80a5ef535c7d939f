// Finds the basis' blocks in new content: the search of a delta, without its commands.
#pragma once
#include "../hash/strong.h"
#include "../signature/index.h"
#include "budget.h"
#include "edits.h"
#include "window.h"

namespace ibt {

// Greedy as rdiff: at every byte the window of block_len bytes is looked up; where it is in the basis it is copied, else
// one byte becomes literal. What is found does not depend on where the calls cut the content.
//
// Windows whose weak sums are in the basis are hashed side by side: either with the blocks that follow, if those are
// expected, or several together, after some more content was searched. If one of them is real, the search goes back.
class Search {
 public:
  // `expected` is the first block to look for; the basis must outlive the search.
  explicit Search(const Signature::State& basis, uint64_t expected = 0);

  // Takes contiguous bytes as far as whole windows lie in them, and returns how far. The next call is given the bytes
  // from there on: less than a block, or one that was looked up in vain, and what follows.
  size_t take(const uint8_t* bytes, size_t length, Edits& edits);
  // Takes what is left at the end of the content. The window shrinks with it, and only the basis' last block can be as
  // short.
  void finish(const uint8_t* bytes, size_t length, Edits& edits);

 private:
  // What is known of the window at the next byte.
  enum class Sum {
    none,    // its sum is not known: a match ended here
    passed,  // its sum is not known: places before it were passed over
    due,     // its sum is known, but was not looked up
    looked,  // it was looked up
  };
  // A window whose weak sum is in the basis, and what was left to be hashed before it.
  struct Candidate {
    size_t position;
    uint32_t key;
    Budget budget;
  };
  struct Taken;

  size_t follow(const uint8_t* bytes, size_t length, Edits& edits);
  size_t count_same(const uint8_t* const* blocks, size_t count);
  void look_up(Taken& taken);
  bool continues(const uint8_t* bytes, size_t length, uint32_t block);
  bool settle(Taken& taken);
  void go_on_with(uint64_t block);

  const Signature::State& basis_;
  const size_t block_len_;
  Window window_;
  // For blocks that may come next.
  Window next_;
  Budget budget_;
  Sum sum_ = Sum::none;
  // The block that comes next if new content goes on as the basis does; and how many to try at once: only keys that
  // lied, with other strong sums behind them, lower it.
  size_t expected_;
  size_t ahead_ = STRONG_LANES;
  // Places that become literals without a look, until the budget allows one.
  size_t pass_ = 0;
};

}  // namespace ibt
