#include "stat.h"

#ifdef __linux__
#include <sys/sysmacros.h>
#endif

namespace ibt {
namespace {

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

// 64 bits of nanoseconds reach from 1677 to 2262: what lies beyond is taken for the end of that.
int64_t to_ns(const struct timespec& time) {
  const int64_t seconds = static_cast<int64_t>(time.tv_sec);
  constexpr int64_t last = INT64_MAX / 1000000000 - 1;
  if (seconds > last) return INT64_MAX;
  if (seconds < -last) return -INT64_MAX;
  return seconds * 1000000000 + time.tv_nsec;
}

constexpr int64_t PAGE_BYTES = 4096;
constexpr int64_t STAT_BLOCK_BYTES = 512;

uint8_t to_type(mode_t mode) {
  if (S_ISREG(mode)) return TYPE_FILE;
  if (S_ISDIR(mode)) return TYPE_DIRECTORY;
  if (S_ISLNK(mode)) return TYPE_SYMLINK;
  if (S_ISFIFO(mode)) return TYPE_FIFO;
  if (S_ISSOCK(mode)) return TYPE_SOCKET;
  if (S_ISCHR(mode)) return TYPE_CHARACTER_DEVICE;
  if (S_ISBLK(mode)) return TYPE_BLOCK_DEVICE;
  return TYPE_UNKNOWN;
}

template <class T>
void append_column(RawBytes& out, const std::vector<FileStat>& stats, T FileStat::*field) {
  for (const FileStat& stat : stats) {
    const T value = stat.*field;
    out.append(&value, sizeof value);
  }
}

}  // namespace

FileStat to_file_stat(const struct stat& status) {
  FileStat stat;
  stat.size = static_cast<double>(status.st_size);
  stat.dev = static_cast<uint64_t>(status.st_dev);
  stat.ino = static_cast<uint64_t>(status.st_ino);
  stat.mtime_ns = to_ns(status.st_mtim);
  stat.ctime_ns = to_ns(status.st_ctim);
  stat.mode = status.st_mode & 07777;
  stat.uid = status.st_uid;
  stat.gid = status.st_gid;
  stat.nlink = static_cast<uint32_t>(status.st_nlink);
  stat.type = to_type(status.st_mode);
  const int64_t hole_bytes = static_cast<int64_t>(status.st_size) - status.st_blocks * STAT_BLOCK_BYTES;
  stat.sparse = stat.type == TYPE_FILE && hole_bytes >= PAGE_BYTES;
  if (stat.type == TYPE_CHARACTER_DEVICE || stat.type == TYPE_BLOCK_DEVICE) {
    stat.dev_major = static_cast<uint32_t>(major(status.st_rdev));
    stat.dev_minor = static_cast<uint32_t>(minor(status.st_rdev));
  }
  return stat;
}

FileStat failed_stat(int error) {
  FileStat stat;
  stat.error = error;
  return stat;
}

RawBytes pack_columns(const std::vector<FileStat>& stats) {
  RawBytes out;
  out.reserve_more(stats.size() * (5 * 8 + 7 * 4 + 2));
  append_column(out, stats, &FileStat::size);
  append_column(out, stats, &FileStat::dev);
  append_column(out, stats, &FileStat::ino);
  append_column(out, stats, &FileStat::mtime_ns);
  append_column(out, stats, &FileStat::ctime_ns);
  append_column(out, stats, &FileStat::mode);
  append_column(out, stats, &FileStat::uid);
  append_column(out, stats, &FileStat::gid);
  append_column(out, stats, &FileStat::nlink);
  append_column(out, stats, &FileStat::dev_major);
  append_column(out, stats, &FileStat::dev_minor);
  append_column(out, stats, &FileStat::error);
  append_column(out, stats, &FileStat::type);
  append_column(out, stats, &FileStat::sparse);
  return out;
}

}  // namespace ibt
