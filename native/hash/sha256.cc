#include "sha256.h"

#include <algorithm>
#include <cstring>

#include "../engine.h"
#include "bytes.h"
#include "dispatch.h"

namespace ibt {

alignas(16) const uint32_t SHA256_K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void sha256_blocks_portable(uint32_t* state, const uint8_t* block, size_t count) {
  for (; count > 0; block += 64, count--) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++) w[i] = load_be32(block + 4 * i);
    for (int i = 16; i < 64; i++) {
      uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
      uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
      uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
      uint32_t t1 = h + s1 + (g ^ (e & (f ^ g))) + SHA256_K[i] + w[i];
      uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
      uint32_t t2 = s0 + ((a & b) | (c & (a | b)));
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

void sha256_pair_portable(uint32_t* const* states, const uint8_t* const* blocks, size_t count) {
  for (int i = 0; i < 2; i++) sha256_blocks_portable(states[i], blocks[i], count);
}

Sha256::Sha256() : state_(SHA256_START) {}

void Sha256::update(const uint8_t* bytes, size_t length) {
  if (length == 0) return;
  size_t held = length_ % block_.size();
  length_ += length;
  if (held > 0) {
    size_t take = std::min(length, block_.size() - held);
    std::memcpy(block_.data() + held, bytes, take);
    bytes += take;
    length -= take;
    if (held + take < block_.size()) return;
    kernels().sha256_blocks(state_.data(), block_.data(), 1);
  }
  size_t whole = length / block_.size();
  if (whole > 0) kernels().sha256_blocks(state_.data(), bytes, whole);
  size_t rest = length % block_.size();
  if (rest > 0) std::memcpy(block_.data(), bytes + length - rest, rest);
}

std::array<uint8_t, 32> Sha256::finish() {
  uint64_t bits = length_ * 8;
  static const uint8_t PADDING[64] = {0x80};
  size_t held = length_ % block_.size();
  update(PADDING, (held < 56 ? 56 : 120) - held);
  uint8_t size[8];
  store_be(size, bits, 8);
  update(size, sizeof size);
  std::array<uint8_t, 32> digest;
  sha256_digest(state_.data(), digest.data());
  return digest;
}

void sha256_digest(const uint32_t* state, uint8_t* digest) {
  for (size_t i = 0; i < 8; i++) store_be(digest + 4 * i, state[i], 4);
}

}  // namespace ibt
