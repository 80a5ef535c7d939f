#include "rabinkarp.h"

namespace ibt {
namespace {

constexpr uint32_t M1 = RABINKARP_M;
constexpr uint32_t M2 = M1 * M1;
constexpr uint32_t M3 = M2 * M1;
constexpr uint32_t M4 = M3 * M1;
constexpr uint32_t M5 = M4 * M1;
constexpr uint32_t M6 = M5 * M1;
constexpr uint32_t M7 = M6 * M1;
constexpr uint32_t M8 = M7 * M1;

}  // namespace

uint32_t rabinkarp_power(uint64_t exponent) {
  uint32_t power = 1;
  for (uint32_t square = RABINKARP_M; exponent > 0; exponent >>= 1, square *= square) {
    if (exponent & 1) power *= square;
  }
  return power;
}

uint32_t rabinkarp_portable(uint32_t sum, const uint8_t* p, size_t length) {
  // Eight bytes at a time: only one multiplication of eight waits for the one before.
  for (; length >= 8; p += 8, length -= 8) {
    uint32_t low = p[0] * M7 + p[1] * M6 + p[2] * M5 + p[3] * M4;
    uint32_t high = p[4] * M3 + p[5] * M2 + p[6] * M1 + p[7];
    sum = sum * M8 + (low + high);
  }
  for (; length > 0; p++, length--) sum = sum * M1 + *p;
  return sum;
}

RabinKarpLeave::RabinKarpLeave(size_t length) : length(length) {
  uint32_t weight = rabinkarp_power(length);
  for (uint32_t byte = 0; byte < 256; byte++) of[byte] = weight * (byte + RABINKARP_ADJUST);
}

size_t rabinkarp_find_portable(const uint8_t* bytes, size_t room, const RabinKarpLeave& leave, const WeakFilter& filter,
                               uint32_t& sum, bool& hit) {
  const uint8_t* in = bytes + leave.length;
  const uint32_t* words = filter.words();
  const int shift = filter.shift();
  uint32_t s = sum;
  size_t i = 0;
  // Four places at a time: each sum is a multiple of the one four places back plus what the bytes between add.
  for (; room - i >= 4; i += 4) {
    uint32_t e1 = in[i] - leave.of[bytes[i]];
    uint32_t e2 = e1 * M1 + in[i + 1] - leave.of[bytes[i + 1]];
    uint32_t e3 = e2 * M1 + in[i + 2] - leave.of[bytes[i + 2]];
    uint32_t e4 = e3 * M1 + in[i + 3] - leave.of[bytes[i + 3]];
    uint32_t s1 = s * M1 + e1, s2 = s * M2 + e2, s3 = s * M3 + e3, s4 = s * M4 + e4;
    bool h1 = WeakFilter::test(words, shift, s1), h2 = WeakFilter::test(words, shift, s2);
    bool h3 = WeakFilter::test(words, shift, s3), h4 = WeakFilter::test(words, shift, s4);
    s = s4;
    if (!(h1 | h2 | h3 | h4)) continue;
    h1 = h1 && filter.confirms(s1), h2 = h2 && filter.confirms(s2);
    h3 = h3 && filter.confirms(s3), h4 = h4 && filter.confirms(s4);
    if (!(h1 | h2 | h3 | h4)) continue;
    hit = true;
    sum = h1 ? s1 : h2 ? s2 : h3 ? s3 : s4;
    return i + (h1 ? 1 : h2 ? 2 : h3 ? 3 : 4);
  }
  for (; i < room; i++) {
    s = s * M1 + in[i] - leave.of[bytes[i]];
    if (WeakFilter::test(words, shift, s) && filter.confirms(s)) {
      hit = true;
      sum = s;
      return i + 1;
    }
  }
  hit = false;
  sum = s;
  return room;
}

}  // namespace ibt
