// SHA-256 (FIPS 180-4): its inner loop; the rest is Sha256 in engine.h.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ibt {

// The constants of the 64 rounds.
alignas(16) extern const uint32_t SHA256_K[64];

// Takes `count` blocks of 64 bytes into the state.
void sha256_blocks_portable(uint32_t* state, const uint8_t* blocks, size_t count);

#if defined(__x86_64__)
// With the SHA extensions: only where sha256_shani_works().
bool sha256_shani_works();
void sha256_blocks_shani(uint32_t* state, const uint8_t* blocks, size_t count);
#endif

}  // namespace ibt
