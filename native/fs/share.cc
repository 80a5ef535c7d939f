#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/ioctl.h>
#include <sys/vfs.h>
#endif

#include <algorithm>

#include "system_error.h"

namespace ibt {

#ifdef __linux__
namespace {

// FICLONERANGE of linux/fs.h, which older headers do not have and which does not go together with sys/mount.h.
struct CloneRange {
  int64_t from;
  uint64_t from_at;
  uint64_t size;
  uint64_t to_at;
};
constexpr unsigned long CLONE_RANGE = _IOW(0x94, 13, CloneRange);

// A call cannot be stopped: of blocks that lie each for itself, one of this size takes some milliseconds. An extent of
// btrfs has up to 128 MiB, so there are few more of them afterwards.
constexpr uint64_t CALL_BYTES = 16 << 20;

// 0: unknown.
uint64_t block_bytes(int fd) {
  struct statfs system;
  return fstatfs(fd, &system) == 0 && system.f_bsize > 0 ? static_cast<uint64_t>(system.f_bsize) : 0;
}

// From the first border of a block on, up to the last.
struct Blocks {
  uint64_t start;
  uint64_t end;
};

Blocks blocks_within(uint64_t at, uint64_t size, uint64_t block) {
  const uint64_t start = (at + block - 1) / block * block;
  return {start, std::max(start, (at + size) / block * block)};
}

}  // namespace

Shared share_blocks(int from, uint64_t from_at, int to, uint64_t to_at, uint64_t size, const CancelToken& cancel) {
  const uint64_t block = block_bytes(to);
  if (block == 0) return {0, 0, errno};
  if (from_at % block != to_at % block) return {0, 0, 0};
  const Blocks blocks = blocks_within(to_at, size, block);
  Shared shared{blocks.start - to_at, 0, 0};
  const uint64_t step = std::max(CALL_BYTES / block * block, block);
  for (uint64_t at = blocks.start; at < blocks.end;) {
    cancel.check();
    const CloneRange range{from, from_at + (at - to_at), std::min(step, blocks.end - at), at};
    if (ioctl(to, CLONE_RANGE, &range) != 0) {
      if (errno == EINTR) continue;
      shared.error = errno;
      // Some of the blocks may be there.
      if (ftruncate(to, static_cast<off_t>(at)) != 0) throw SystemError{errno, "ftruncate", SystemError::What::write};
      break;
    }
    shared.size += range.size;
    at += range.size;
  }
  return shared;
}

bool make_hole(int fd, uint64_t at, uint64_t size) {
  const uint64_t block = block_bytes(fd);
  if (block == 0) return false;
  const Blocks blocks = blocks_within(at, size, block);
  if (blocks.start == blocks.end) return false;
  // Most often it is one already: a look is cheaper.
  const off_t data = lseek(fd, static_cast<off_t>(blocks.start), SEEK_DATA);
  if (data < 0 || static_cast<uint64_t>(data) >= blocks.end) return false;
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(blocks.start),
                   static_cast<off_t>(blocks.end - blocks.start)) == 0;
}
#else
Shared share_blocks(int, uint64_t, int, uint64_t, uint64_t, const CancelToken&) { return {0, 0, ENOTSUP}; }

bool make_hole(int, uint64_t, uint64_t) { return false; }
#endif

}  // namespace ibt
