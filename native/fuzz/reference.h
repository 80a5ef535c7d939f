// The hashes as their specifications write them: slow and short. They share tables with the engine, which test vectors hold right.
#pragma once
#include <array>
#include <cstring>

#include "../hash/blake2b.h"
#include "../hash/sha256.h"
#include "fuzz.h"

namespace ibt::fuzz {

template <class Word>
Word turn_left(Word x, unsigned bits) {
  return Word(x << bits | x >> (8 * sizeof x - bits));
}

template <class Word>
Word little_endian(const uint8_t* p) {
  Word word = 0;
  for (size_t i = sizeof word; i-- > 0;) word = Word(word << 8 | p[i]);
  return word;
}

// RFC 1320 and FIPS 180-4 pad alike, but for the byte order of the length.
inline Bytes padded(Bytes message, bool big_endian) {
  const uint64_t bits = uint64_t(message.size()) * 8;
  message.push_back(0x80);
  while (message.size() % 64 != 56) message.push_back(0);
  for (unsigned i = 0; i < 8; i++) message.push_back(uint8_t(bits >> 8 * (big_endian ? 7 - i : i)));
  return message;
}

// RFC 1320.
inline Bytes md4(const Bytes& message) {
  const Bytes blocks = padded(message, false);
  uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  const unsigned turns[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
  const unsigned third[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
  for (size_t at = 0; at < blocks.size(); at += 64) {
    uint32_t s[4] = {state[0], state[1], state[2], state[3]};
    for (unsigned step = 0; step < 48; step++) {
      const unsigned round = step / 16, i = step % 16;
      uint32_t& a = s[(4 - i % 4) % 4];
      const uint32_t b = s[(5 - i % 4) % 4], c = s[(6 - i % 4) % 4], d = s[(7 - i % 4) % 4];
      const unsigned word = round == 0 ? i : round == 1 ? i % 4 * 4 + i / 4 : third[i];
      const uint32_t mixed = round == 0   ? (b & c) | (~b & d)
                             : round == 1 ? ((b & c) | (b & d) | (c & d)) + 0x5a827999
                                          : (b ^ c ^ d) + 0x6ed9eba1;
      a = turn_left(uint32_t(a + mixed + little_endian<uint32_t>(&blocks[at + 4 * word])), turns[round][i % 4]);
    }
    for (unsigned i = 0; i < 4; i++) state[i] += s[i];
  }
  Bytes digest;
  for (const uint32_t word : state) {
    for (unsigned i = 0; i < 4; i++) digest.push_back(uint8_t(word >> 8 * i));
  }
  return digest;
}

// FIPS 180-4. It starts with the upper halves of what BLAKE2b starts with.
inline Bytes sha256(const Bytes& message) {
  const Bytes blocks = padded(message, true);
  std::array<uint32_t, 8> state;
  for (unsigned i = 0; i < 8; i++) state[i] = uint32_t(BLAKE2B_IV[i] >> 32);
  for (size_t at = 0; at < blocks.size(); at += 64) {
    uint32_t w[64];
    for (unsigned t = 0; t < 64; t++) {
      if (t < 16) {
        w[t] = 0;
        for (unsigned i = 0; i < 4; i++) w[t] = w[t] << 8 | blocks[at + 4 * t + i];
        continue;
      }
      const uint32_t x = w[t - 15], y = w[t - 2];
      w[t] = w[t - 16] + (turn_left(x, 25) ^ turn_left(x, 14) ^ x >> 3) + w[t - 7] +
             (turn_left(y, 15) ^ turn_left(y, 13) ^ y >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (unsigned t = 0; t < 64; t++) {
      const uint32_t first = h + (turn_left(e, 26) ^ turn_left(e, 21) ^ turn_left(e, 7)) + ((e & f) ^ (~e & g)) +
                             SHA256_K[t] + w[t];
      const uint32_t second = (turn_left(a, 30) ^ turn_left(a, 19) ^ turn_left(a, 10)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    const uint32_t after[8] = {a, b, c, d, e, f, g, h};
    for (unsigned i = 0; i < 8; i++) state[i] += after[i];
  }
  Bytes digest;
  for (const uint32_t word : state) {
    for (unsigned i = 4; i-- > 0;) digest.push_back(uint8_t(word >> 8 * i));
  }
  return digest;
}

// RFC 7693 with 32 bytes of digest and no key.
inline Bytes blake2b(const Bytes& message) {
  uint64_t state[8];
  std::memcpy(state, BLAKE2B_IV, sizeof state);
  state[0] ^= 0x01010020;
  const size_t blocks = std::max<size_t>(1, (message.size() + 127) / 128);
  Bytes all = message;
  all.resize(blocks * 128);
  for (size_t block = 0; block < blocks; block++) {
    const bool last = block + 1 == blocks;
    uint64_t v[16], m[16];
    for (unsigned i = 0; i < 8; i++) v[i] = state[i], v[8 + i] = BLAKE2B_IV[i];
    for (unsigned i = 0; i < 16; i++) m[i] = little_endian<uint64_t>(&all[block * 128 + 8 * i]);
    v[12] ^= last ? message.size() : (block + 1) * 128;
    if (last) v[14] = ~v[14];
    const auto mix = [&](unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x, uint64_t y) {
      v[a] += v[b] + x, v[d] = turn_left(v[d] ^ v[a], 32), v[c] += v[d], v[b] = turn_left(v[b] ^ v[c], 40);
      v[a] += v[b] + y, v[d] = turn_left(v[d] ^ v[a], 48), v[c] += v[d], v[b] = turn_left(v[b] ^ v[c], 1);
    };
    for (unsigned round = 0; round < 12; round++) {
      const uint8_t* s = BLAKE2B_SIGMA[round % 10];
      for (unsigned i = 0; i < 4; i++) mix(i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
      for (unsigned i = 0; i < 4; i++) {
        mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
      }
    }
    for (unsigned i = 0; i < 8; i++) state[i] ^= v[i] ^ v[8 + i];
  }
  Bytes digest;
  for (unsigned i = 0; i < 32; i++) digest.push_back(uint8_t(state[i / 8] >> 8 * (i % 8)));
  return digest;
}

}  // namespace ibt::fuzz
