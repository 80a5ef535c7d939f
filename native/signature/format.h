// The header of a signature: three big-endian words, then records of a weak and a strong sum up to the end.
#pragma once
#include "../engine.h"

namespace ibt {

constexpr size_t SIGNATURE_HEADER = 12;
constexpr uint64_t BLOCK_LEN_MAX = uint64_t(1) << 31;

// False if no signature starts with this.
bool parse_magic(uint32_t magic, SignatureFormat& format);

}  // namespace ibt
