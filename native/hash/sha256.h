// SHA-256 (FIPS 180-4): its inner loop; the rest is in engine.h.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace ibt {

// The constants of the 64 rounds.
alignas(16) extern const uint32_t SHA256_K[64];

// The state before the first block.
constexpr std::array<uint32_t, 8> SHA256_START = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// The 32 bytes that a state stands for.
void sha256_digest(const uint32_t* state, uint8_t* digest);

// Takes `count` blocks of 64 bytes into the state.
void sha256_blocks_portable(uint32_t* state, const uint8_t* blocks, size_t count);
// Takes as many blocks of each of two contents into two states.
void sha256_pair_portable(uint32_t* const* states, const uint8_t* const* blocks, size_t count);

#if defined(__x86_64__)
// With the SHA extensions: only where sha256_shani_works().
bool sha256_shani_works();
void sha256_blocks_shani(uint32_t* state, const uint8_t* blocks, size_t count);
void sha256_pair_shani(uint32_t* const* states, const uint8_t* const* blocks, size_t count);
#elif defined(__aarch64__)
// With the cryptographic extension: only where sha256_armv8_works().
bool sha256_armv8_works();
void sha256_blocks_armv8(uint32_t* state, const uint8_t* blocks, size_t count);
void sha256_pair_armv8(uint32_t* const* states, const uint8_t* const* blocks, size_t count);
#endif

}  // namespace ibt
