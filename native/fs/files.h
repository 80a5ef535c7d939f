#pragma once
#include <string>
#include <vector>

#include "../engine.h"
#include "cancel.h"
#include "raw_bytes.h"
#include "stat.h"

namespace ibt {

// `FILE_…` in src/native.ts.
enum FileFlag : uint8_t { FILE_DIRTY = 1, FILE_RACY = 2, FILE_TOO_LARGE = 4, FILE_NOT_REGULAR = 8 };

struct BatchOptions {
  double sign_min_bytes;
  uint32_t block_len_min;
  uint32_t strong_len;
  double racy_ms;
  // Bytes that are left free before each content, whose end is then filled up with zeros to whole blocks; empty: none.
  std::vector<uint32_t> gaps;
};

struct FileBatch {
  std::vector<FileStat> stats;
  std::vector<double> offsets;
  std::vector<uint8_t> flags;
  Bytes sha256;
  Bytes signatures;
  std::vector<double> signature_offsets;
};

// Memory for contents, one behind the other.
struct Slab {
  uint8_t* data;
  size_t size;
};

// Reads each file to its end, up to three times if it changes under the read, and hashes and signs what was read.
// One that does not fit in what is left of the slab is FILE_TOO_LARGE.
FileBatch read_files(const std::string& root, const std::vector<std::string>& paths, Slab slab,
                     const BatchOptions& options, const CancelToken& cancel);

}  // namespace ibt
