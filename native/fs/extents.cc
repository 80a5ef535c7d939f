#include "extents.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "fd.h"
#include "system_error.h"

namespace ibt {

namespace {

// Opens the same file again: what only duplicates a descriptor shares its position with it. -1 where that is not allowed.
Fd reopen(int fd) {
#ifdef __linux__
  return Fd(open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC));
#else
  (void)fd;
  return Fd();
#endif
}

}  // namespace

void confirm_holes(int fd, FileStat& stat) {
#ifdef SEEK_HOLE
  if (stat.sparse == 0) return;
  const off_t hole = lseek(fd, 0, SEEK_HOLE);
  // What cannot tell is believed by its blocks.
  stat.sparse = hole < 0 || static_cast<double>(hole) < stat.size;
#else
  (void)fd, (void)stat;
#endif
}

std::vector<double> data_extents(int given, double size, size_t max, const CancelToken& cancel) {
  std::vector<double> extents;
  struct stat status;
  if (fstat(given, &status) != 0) throw SystemError{errno, "fstat", SystemError::What::read};
  if (!S_ISREG(status.st_mode)) throw SystemError{ESPIPE, "lseek", SystemError::What::read};
  const Fd own = reopen(given);
  if (own.get() < 0) {
    if (size > 0) extents = {0, size};
    return extents;
  }
#ifdef SEEK_DATA
  const int fd = own.get();
  const off_t end = static_cast<off_t>(size);
  for (off_t at = 0; at < end;) {
    cancel.check();
    const off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    const off_t hole = data < 0 || extents.size() / 2 + 1 >= max ? end : lseek(fd, data, SEEK_HOLE);
    // A file system that cannot tell says EINVAL; a file that shrank meanwhile ENXIO.
    if ((data < 0 && errno != EINVAL) || (hole < 0 && errno != ENXIO)) {
      throw SystemError{errno, "lseek", SystemError::What::read};
    }
    const off_t start = data < 0 ? at : data;
    const off_t stop = hole < 0 ? end : std::min(hole, end);
    if (start >= stop) break;
    extents.push_back(static_cast<double>(start));
    extents.push_back(static_cast<double>(stop - start));
    at = stop;
  }
#else
  if (size > 0) extents = {0, size};
#endif
  return extents;
}

}  // namespace ibt
