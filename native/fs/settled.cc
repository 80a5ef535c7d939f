#include "settled.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "system_error.h"

namespace ibt {
namespace {

constexpr int64_t MS = 1000000;
constexpr int64_t SECOND = 1000 * MS;
// No single write takes longer.
constexpr int64_t WRITE_MAX = 600 * SECOND;
// Some ticks of the slowest clock.
constexpr int64_t WAIT_MAX = 40 * MS;

int64_t now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * SECOND + now.tv_nsec;
}

// The clock that files get their times from.
int64_t file_clock_ns() {
#ifdef CLOCK_REALTIME_COARSE
  return now_ns(CLOCK_REALTIME_COARSE);
#else
  return now_ns(CLOCK_REALTIME);
#endif
}

// What the times of a file system are multiples of, as far as one of them tells.
int64_t step_of(int64_t time) {
  for (const int64_t step : {SECOND, MS, int64_t{1000}}) {
    if (time % step == 0) return step;
  }
  return 1;
}

// Whether a change that was made at `now` or later would have another time. So it would where the time lies far ahead.
bool is_past(int64_t time, int64_t now) {
  const int64_t step = step_of(time);
  return time < now - now % step || time > now + 2 * SECOND;
}

#ifdef __linux__
// File systems on which a read does not wait for a write, and a look for data does. Source: linux/magic.h, and the
// llseek of each. On others (XFS, ZFS) a read waits itself, or the look would cost a trip over the network.
bool reads_during_writes(int fd) {
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return false;
  switch (static_cast<uint32_t>(system.f_type)) {
    case 0xef53:      // ext2, ext3, ext4
    case 0x9123683e:  // btrfs
    case 0x01021994:  // tmpfs
    case 0xf2f52010:  // f2fs
    case 0x794c7630:  // overlay
      return true;
    default:
      return false;
  }
}
#endif

// The look for data takes the lock that a write holds. The position is nobody's: contents are read by offset.
void await_write(int fd) {
#ifdef __linux__
  if (reads_during_writes(fd)) lseek(fd, 0, SEEK_DATA);
#else
  (void)fd;
#endif
}

FileStat look(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) throw SystemError{errno, "fstat", SystemError::What::read};
  return to_file_stat(status);
}

}  // namespace

Look look_settled(int fd, const CancelToken& cancel) {
  const FileStat first = look(fd);
  if (first.type != TYPE_FILE || first.ctime_ns < file_clock_ns() - WRITE_MAX) return {first, true};
  const int64_t end = now_ns(CLOCK_MONOTONIC) + WAIT_MAX + step_of(first.ctime_ns);
  for (;;) {
    const int64_t now = file_clock_ns();
    await_write(fd);
    const FileStat stat = look(fd);
    if (is_past(stat.ctime_ns, now)) return {stat, true};
    if (now_ns(CLOCK_MONOTONIC) > end) return {stat, false};
    while (!is_past(stat.ctime_ns, file_clock_ns())) {
      cancel.check();
      const struct timespec pause = {0, static_cast<long>(MS)};
      nanosleep(&pause, nullptr);
    }
  }
}

}  // namespace ibt
