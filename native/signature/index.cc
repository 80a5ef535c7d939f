#include "index.h"

#include <algorithm>
#include <cstring>

namespace ibt {

int Signature::State::compare(uint32_t number, uint32_t key, const uint8_t* digest) const {
  if (keys[number] != key) return keys[number] < key ? -1 : 1;
  return std::memcmp(strong_of(number), digest, format.strong_len);
}

void Signature::State::build() {
  const size_t count = blocks();
  keys.shrink_to_fit();
  strong.shrink_to_fit();
  filter = WeakFilter(count);
  int bits = 1;
  while (bits < 31 && (size_t(2) << bits) <= count) bits++;
  start_shift = 32 - bits;

  // Each run's end first; placing the blocks from the last one down turns it into the run's begin.
  starts.assign((size_t(1) << bits) + 1, 0);
  for (uint32_t key : keys) {
    filter.add(key);
    starts[key >> start_shift]++;
  }
  uint32_t end = 0;
  for (uint32_t& start : starts) start = end += start;
  order.resize(count);
  for (size_t number = count; number-- > 0;) order[--starts[keys[number] >> start_shift]] = uint32_t(number);

  for (size_t run = 0; run + 1 < starts.size(); run++) {
    if (starts[run + 1] - starts[run] < 2) continue;
    std::sort(order.begin() + starts[run], order.begin() + starts[run + 1], [this](uint32_t a, uint32_t b) {
      int order = compare(a, keys[b], strong_of(b));
      return order != 0 ? order < 0 : a < b;
    });
  }
}

uint32_t Signature::State::any_of(uint32_t key) const {
  auto begin = order.begin() + starts[key >> start_shift], end = order.begin() + starts[(key >> start_shift) + 1];
  auto at = std::lower_bound(begin, end, key, [this](uint32_t number, uint32_t key) { return keys[number] < key; });
  return at != end && keys[*at] == key ? *at : NO_BLOCK;
}

uint32_t Signature::State::find(uint32_t key, const uint8_t* digest) const {
  auto begin = order.begin() + starts[key >> start_shift], end = order.begin() + starts[(key >> start_shift) + 1];
  auto at = std::lower_bound(begin, end, digest, [this, key](uint32_t number, const uint8_t* digest) {
    return compare(number, key, digest) < 0;
  });
  return at != end && compare(*at, key, digest) == 0 ? *at : NO_BLOCK;
}

}  // namespace ibt
