// Arguments that choose a signature's format: weak, strong, blockLen, strongLen, from `index` on.
#pragma once
#include "../fs/rdiff_files.h"
#include "arguments.h"

namespace ibt {

inline SignatureChoice signature_choice(const Napi::CallbackInfo& info, size_t index) {
  SignatureChoice choice;
  choice.weak = integer(info, index, "weak", 0, 1) == 0 ? Weak::rollsum : Weak::rabinkarp;
  choice.strong = integer(info, index + 1, "strong", 0, 1) == 0 ? Strong::md4 : Strong::blake2;
  choice.block_len = static_cast<int64_t>(integer(info, index + 2, "blockLen", 0, 0x7fffffff));
  choice.strong_len = static_cast<int64_t>(integer(info, index + 3, "strongLen", -1, 32));
  return choice;
}

}  // namespace ibt
