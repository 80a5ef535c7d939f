#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstring>

#ifdef __linux__
#include <sys/sysmacros.h>
#endif

namespace ibt {
namespace {

#ifdef STATX_TYPE
// STATX_MNT_ID and where stx_mnt_id lies: the headers of some C libraries do not have them.
constexpr unsigned MOUNT_ID = 0x1000;
constexpr size_t MOUNT_ID_AT = 0x90;

uint64_t mount_id(const struct statx& status) {
  uint64_t id = 0;
  if ((status.stx_mask & MOUNT_ID) == 0) return id;
  std::memcpy(&id, reinterpret_cast<const char*>(&status) + MOUNT_ID_AT, sizeof id);
  return id;
}
#endif

int look_at_device(int fd, const char* name, MountPlace& found) {
  struct stat status;
  const int result = name == nullptr ? fstat(fd, &status) : fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW);
  if (result != 0) return errno;
  found = {status.st_dev, 0, S_ISDIR(status.st_mode)};
  return 0;
}

}  // namespace

int look_at_mount(int fd, const char* name, MountPlace& found) {
#ifdef STATX_TYPE
  struct statx status;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;
  if (statx(fd, name == nullptr ? "" : name, flags, STATX_TYPE | MOUNT_ID, &status) == 0) {
    found = {makedev(status.stx_dev_major, status.stx_dev_minor), mount_id(status), S_ISDIR(status.stx_mode)};
    return 0;
  }
  // Sandboxes that do not know the call say EPERM.
  if (errno != ENOSYS && errno != EPERM && errno != EINVAL) return errno;
#endif
  return look_at_device(fd, name, found);
}

bool is_same_mount(const MountPlace& root, const MountPlace& found) {
  if (root.mount == 0 || found.mount == 0) return root.dev == found.dev;
  return root.mount == found.mount && (!found.is_directory || root.dev == found.dev);
}

}  // namespace ibt
