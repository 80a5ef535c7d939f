// What is known of a file, and the columns in which JavaScript gets it.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <vector>

#include "raw_bytes.h"

namespace ibt {

// The numbers of `struct dirent`; `FileType` in src/native.ts.
enum FileType : uint8_t {
  TYPE_UNKNOWN = 0,
  TYPE_FIFO = 1,
  TYPE_CHARACTER_DEVICE = 2,
  TYPE_DIRECTORY = 4,
  TYPE_BLOCK_DEVICE = 6,
  TYPE_FILE = 8,
  TYPE_SYMLINK = 10,
  TYPE_SOCKET = 12
};

struct FileStat {
  double size = 0;
  uint64_t dev = 0;
  uint64_t ino = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t nlink = 0;
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  int32_t error = 0;
  uint8_t type = TYPE_UNKNOWN;
  // May have holes: fewer blocks than its size needs, by one page or more. `confirm_holes` tells.
  uint8_t sparse = 0;
};

FileStat to_file_stat(const struct stat& status);
FileStat failed_stat(int error);

// One column behind the other, widest first, so that each is aligned; src/native/columns.ts reads them.
RawBytes pack_columns(const std::vector<FileStat>& stats);

}  // namespace ibt
