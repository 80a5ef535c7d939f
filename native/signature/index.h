// A signature in memory: the sums of the blocks, and where to find a block by its sums.
#pragma once
#include "../engine.h"
#include "../hash/weak_filter.h"

namespace ibt {

constexpr uint32_t NO_BLOCK = 0xffffffff;

// Memory of a block: 4 bytes for its key, its strong sum, and 9 to 13 bytes to find it by. The blocks are sorted by
// key, strong sum and number below a table of where each run of leading key bits begins. A look-up is a binary search
// there: no signature, made with whatever intent, costs more than n log n to load and log n to look up.
struct Signature::State {
  SignatureFormat format;
  // By block number. Keys are as weak_key makes them.
  std::vector<uint32_t> keys;
  Bytes strong;

  WeakFilter filter;
  // Block numbers; those whose keys begin with the bits b are at order[starts[b]..starts[b + 1]].
  std::vector<uint32_t> order;
  std::vector<uint32_t> starts;
  int start_shift = 31;

  size_t blocks() const { return keys.size(); }
  const uint8_t* strong_of(size_t block) const { return strong.data() + block * format.strong_len; }

  // Once all blocks are there.
  void build();
  // A block that has this key, or NO_BLOCK.
  uint32_t any_of(uint32_t key) const;
  // The first block that has both sums, or NO_BLOCK.
  uint32_t find(uint32_t key, const uint8_t* digest) const;

 private:
  // Below 0: block `number` sorts before these sums; 0: it has them.
  int compare(uint32_t number, uint32_t key, const uint8_t* digest) const;
};

}  // namespace ibt
