// Integers in byte strings, whatever the byte order of the machine.
#pragma once
#include <cstdint>
#include <vector>

namespace ibt {

inline uint32_t load_be32(const uint8_t* p) {
  return uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | uint32_t(p[3]);
}

inline uint32_t load_le32(const uint8_t* p) {
  return uint32_t(p[3]) << 24 | uint32_t(p[2]) << 16 | uint32_t(p[1]) << 8 | uint32_t(p[0]);
}

inline uint64_t load_le64(const uint8_t* p) { return uint64_t(load_le32(p + 4)) << 32 | load_le32(p); }

// The last `width` bytes of a value, most significant first.
inline void store_be(uint8_t* p, uint64_t value, unsigned width) {
  for (unsigned i = width; i-- > 0; value >>= 8) p[i] = uint8_t(value);
}

inline void append_be(std::vector<uint8_t>& out, uint64_t value, unsigned width) {
  for (unsigned i = width; i-- > 0;) out.push_back(uint8_t(value >> (8 * i)));
}

inline uint64_t load_be(const uint8_t* p, unsigned width) {
  uint64_t value = 0;
  for (unsigned i = 0; i < width; i++) value = value << 8 | p[i];
  return value;
}

inline void store_le32(uint8_t* p, uint32_t value) {
  for (int i = 0; i < 4; i++) p[i] = uint8_t(value >> (8 * i));
}

inline void store_le64(uint8_t* p, uint64_t value) {
  for (int i = 0; i < 8; i++) p[i] = uint8_t(value >> (8 * i));
}

inline uint32_t rotate_left(uint32_t x, int bits) { return x << bits | x >> (32 - bits); }
inline uint32_t rotate_right(uint32_t x, int bits) { return x >> bits | x << (32 - bits); }
inline uint64_t rotate_right(uint64_t x, int bits) { return x >> bits | x << (64 - bits); }

}  // namespace ibt
