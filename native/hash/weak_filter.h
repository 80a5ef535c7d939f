// Says of most weak sums that they are not in a signature, by one look at memory that mostly fits in a cache.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ibt {

// A Bloom filter whose three bits of a key lie in one word. Keys are spread evenly over 32 bits, so the word is chosen
// by their top bits and the bits by their low ones.
class WeakFilter {
 public:
  WeakFilter() : words_(2), shift_(31) {}

  // Takes 2 to 4 bytes a key.
  explicit WeakFilter(size_t keys) {
    int bits = 5;
    while (bits < 26 && (size_t(2) << bits) <= keys) bits++;
    words_.resize(size_t(1) << bits);
    shift_ = 32 - bits;
  }

  void add(uint32_t key) { words_[key >> shift_] |= 1u << (key & 31) | 1u << (key >> 5 & 31) | 1u << (key >> 10 & 31); }

  bool may_have(uint32_t key) const { return test(words_.data(), shift_, key); }

  static bool test(const uint32_t* words, int shift, uint32_t key) {
    uint32_t word = words[key >> shift];
    return word >> (key & 31) & word >> (key >> 5 & 31) & word >> (key >> 10 & 31) & 1;
  }

  const uint32_t* words() const { return words_.data(); }
  int shift() const { return shift_; }
  size_t memory_bytes() const { return words_.size() * sizeof(uint32_t); }

 private:
  std::vector<uint32_t> words_;
  int shift_;
};

}  // namespace ibt
