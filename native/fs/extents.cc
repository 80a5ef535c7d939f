#include "extents.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "system_error.h"

namespace ibt {

std::vector<double> data_extents(int fd, double size, size_t max, const CancelToken& cancel) {
  std::vector<double> extents;
#ifdef SEEK_DATA
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
