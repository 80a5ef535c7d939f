#include "format.h"

#include "../hash/strong.h"

namespace ibt {
namespace {

// librsync: RS_DEFAULT_BLOCK_LEN and RS_DEFAULT_MIN_STRONG_LEN, for what has no known size.
constexpr uint64_t UNKNOWN_SIZE_BLOCK_LEN = 2048;
constexpr uint64_t UNKNOWN_SIZE_STRONG_LEN = 12;

unsigned log2_floor(uint64_t value) {
  unsigned log = 0;
  while (value >>= 1) log++;
  return log;
}

uint64_t sqrt_floor(uint64_t value) {
  uint64_t root = 0;
  for (uint64_t bit = uint64_t(1) << 31; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= value) root += bit;
  }
  return root;
}

uint64_t default_block_len(int64_t size_bytes) {
  if (size_bytes < 0) return UNKNOWN_SIZE_BLOCK_LEN;
  return size_bytes <= 65536 ? 256 : sqrt_floor(uint64_t(size_bytes)) & ~uint64_t(127);
}

// librsync's rs_sig_args: enough bits that two bytes of them are left when every block is compared at every place.
uint64_t minimum_strong_len(int64_t size_bytes, uint64_t block_len) {
  if (size_bytes < 0) return UNKNOWN_SIZE_STRONG_LEN;
  uint64_t size = uint64_t(size_bytes);
  return 2 + (log2_floor(size + (1 << 24)) + log2_floor(size / block_len + 1) + 7) / 8;
}

}  // namespace

uint32_t SignatureFormat::magic() const {
  return 0x72730100 | (weak == Weak::rollsum ? 0x30 : 0x40) | (strong == Strong::md4 ? 6 : 7);
}

bool parse_magic(uint32_t magic, SignatureFormat& format) {
  for (Weak weak : {Weak::rollsum, Weak::rabinkarp}) {
    for (Strong strong : {Strong::md4, Strong::blake2}) {
      format.weak = weak;
      format.strong = strong;
      if (format.magic() == magic) return true;
    }
  }
  return false;
}

SignatureFormat resolve_format(Weak weak, Strong strong, int64_t block_len, int64_t strong_len, int64_t size_bytes) {
  if (block_len < 0 || uint64_t(block_len) > BLOCK_LEN_MAX) {
    throw EngineError(ErrorKind::parameter, "Block length " + std::to_string(block_len) + " is not in 0..2^31");
  }
  uint64_t block = block_len > 0 ? uint64_t(block_len) : default_block_len(size_bytes);
  uint64_t digest = strong_digest(strong);
  uint64_t length = strong_len == 0    ? digest
                    : strong_len == -1 ? minimum_strong_len(size_bytes, block)
                                       : uint64_t(strong_len);
  if (strong_len < -1 || length > digest) {
    throw EngineError(ErrorKind::parameter,
                      "Strong length " + std::to_string(strong_len) + " is not in -1.." + std::to_string(digest));
  }
  SignatureFormat format;
  format.weak = weak;
  format.strong = strong;
  format.block_len = uint32_t(block);
  format.strong_len = uint32_t(length);
  return format;
}

}  // namespace ibt
