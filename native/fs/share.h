// Blocks that two open files share, on file systems that copy a block when one of them writes to it.
#pragma once
#include <cstdint>

#include "cancel.h"

namespace ibt {

// Part of a range, and why it ends before the last whole block of the range; 0: it does not.
struct Shared {
  uint64_t start;
  uint64_t size;
  int error;
};

// Makes the whole blocks in a range of `to`, which is written front to back and ends before it, those of a range of `from`
// as they are at this moment. Nothing is shared if the ranges lie differently in their blocks. A system that cannot says
// ENOTSUP. After an error `to` ends where its shared blocks do. Throws SystemError if it cannot be cut off there.
Shared share_blocks(int from, uint64_t from_at, int to, uint64_t to_at, uint64_t size, const CancelToken& cancel);

// Gives the whole blocks in a range, which are zeros, back to the file system. Returns whether there were some to give.
bool make_hole(int fd, uint64_t at, uint64_t size);

}  // namespace ibt
