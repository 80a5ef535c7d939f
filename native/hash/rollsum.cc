#include "rollsum.h"

namespace ibt {

void Rollsum::update(const uint8_t* p, size_t length) {
  for (; length >= 8; p += 8, length -= 8) {
    uint32_t sum = 0, weighted = 0;
    for (uint32_t i = 0; i < 8; i++) {
      sum += p[i] + ROLLSUM_OFFSET;
      weighted += (8 - i) * (p[i] + ROLLSUM_OFFSET);
    }
    s2 += 8 * s1 + weighted;
    s1 += sum;
  }
  for (; length > 0; p++, length--) {
    s1 += *p + ROLLSUM_OFFSET;
    s2 += s1;
  }
}

size_t rollsum_find(const uint8_t* bytes, size_t room, size_t length, const WeakFilter& filter, Rollsum& sum, bool& hit) {
  const uint8_t* in = bytes + length;
  const uint32_t* words = filter.words();
  const int shift = filter.shift();
  Rollsum s = sum;
  for (size_t i = 0; i < room; i++) {
    s.rotate(bytes[i], in[i], uint32_t(length));
    const uint32_t key = mix32(s.digest());
    if (WeakFilter::test(words, shift, key) && filter.confirms(key)) {
      sum = s;
      hit = true;
      return i + 1;
    }
  }
  sum = s;
  hit = false;
  return room;
}

}  // namespace ibt
