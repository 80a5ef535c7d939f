// Says of most weak sums that they are not in a signature, by one look at memory that mostly fits in a cache.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ibt {

// Two filters. Every place of a search is looked up in the first: a Bloom filter whose three bits of a key lie in one
// word. Keys are spread evenly over 32 bits, so the word is chosen by their top bits and the bits by their low ones.
// What passes that by chance, one of some 300, seldom passes the second: a bit for each key, mixed otherwise.
class WeakFilter {
 public:
  WeakFilter() : words_(2), shift_(31), seen_(1), seen_shift_(26) {}

  // Takes 3 to 6 bytes a key.
  explicit WeakFilter(size_t keys) {
    int bits = 5;
    while (bits < 26 && (size_t(2) << bits) <= keys) bits++;
    words_.resize(size_t(1) << bits);
    shift_ = 32 - bits;
    int seen_bits = 6;
    while (seen_bits < 31 && (size_t(1) << (seen_bits - 2)) <= keys) seen_bits++;
    seen_.resize(size_t(1) << (seen_bits - 6));
    seen_shift_ = 32 - seen_bits;
  }

  void add(uint32_t key) {
    words_[key >> shift_] |= 1u << (key & 31) | 1u << (key >> 5 & 31) | 1u << (key >> 10 & 31);
    seen_[seen_bit(key) / 64] |= uint64_t(1) << seen_bit(key) % 64;
  }

  bool may_have(uint32_t key) const { return test(words_.data(), shift_, key) && confirms(key); }

  // The first filter.
  static bool test(const uint32_t* words, int shift, uint32_t key) {
    uint32_t word = words[key >> shift];
    return word >> (key & 31) & word >> (key >> 5 & 31) & word >> (key >> 10 & 31) & 1;
  }

  // The second filter.
  bool confirms(uint32_t key) const { return seen_[seen_bit(key) / 64] >> seen_bit(key) % 64 & 1; }

  const uint32_t* words() const { return words_.data(); }
  int shift() const { return shift_; }
  size_t memory_bytes() const { return words_.size() * sizeof(uint32_t) + seen_.size() * sizeof(uint64_t); }

 private:
  uint32_t seen_bit(uint32_t key) const { return key * 0x9e3779b1u >> seen_shift_; }

  std::vector<uint32_t> words_;
  int shift_;
  std::vector<uint64_t> seen_;
  int seen_shift_;
};

}  // namespace ibt
