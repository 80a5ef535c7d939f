#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cancel.h"
#include "metadata.h"
#include "turn.h"

namespace ibt {

// `Operation` in src/native.ts.
enum OperationCode : uint8_t {
  MAKE_DIRECTORY = 1,
  WRITE_FILE = 2,
  MAKE_SYMLINK = 3,
  MAKE_LINK = 4,
  SET_METADATA = 5,
  REMOVE = 6,
  RENAME = 7,
  WRITE_SPARSE_FILE = 8,
  MAKE_FIFO = 9,
  MAKE_CHARACTER_DEVICE = 10,
  MAKE_BLOCK_DEVICE = 11,
  REMOVE_ONE = 12,
  UNLINK = 13
};

// Instead of an errno: a body does not have the digest that it should have.
constexpr int32_t NOT_PROVEN = -1;

struct Operation {
  uint8_t code;
  std::string path;
  std::string other;
  Metadata metadata;
  uint32_t dev_major;
  uint32_t dev_minor;
  const uint8_t* body;
  size_t body_length;
  // Nothing is written unless the body has this SHA-256; null: whatever it has.
  const uint8_t* sha256;
};

// What became of the operations.
struct Operated {
  // 0, an errno, NOT_PROVEN or SPARED for each. With anything but 0 it is not done.
  std::vector<int32_t> errors;
  // What could not be set of what is there, by the index of its operation.
  std::vector<std::pair<uint32_t, Unset>> unset;
};

// Does them in order; one that fails does not stop the others. Nothing is removed or replaced at or behind a mount point.
// With a turn, directories are made first, then files, then comes all else, each in order: it must make no difference.
Operated operate(int root, const std::vector<Operation>& operations, Turn* turn, const CancelToken& cancel);

}  // namespace ibt
