#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "cancel.h"
#include "set_xattrs.h"
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
  MAKE_BLOCK_DEVICE = 11
};

constexpr uint32_t LEAVE = 0xffffffff;
constexpr int64_t LEAVE_TIME = INT64_MIN;
// Instead of an errno: a body does not have the digest that it should have.
constexpr int32_t NOT_PROVEN = -1;

struct Operation {
  uint8_t code;
  std::string path;
  std::string other;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  int64_t mtime_ns;
  uint32_t dev_major;
  uint32_t dev_minor;
  XattrList xattrs;
  const uint8_t* body;
  size_t body_length;
  // Nothing is written unless the body has this SHA-256; null: whatever it has.
  const uint8_t* sha256;
};

// Does them in order; one that fails does not stop the others. Returns an errno for each.
// With a turn, directories are made first, then files, then comes all else, each in order: it must make no difference.
std::vector<int32_t> operate(const std::string& root, const std::vector<Operation>& operations, Turn* turn,
                             const CancelToken& cancel);

}  // namespace ibt
