#include "beneath.h"

#include <errno.h>
#include <sys/stat.h>

#include <cstdint>

#include "system_error.h"

#if defined(__linux__) && __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

namespace ibt {
namespace {

#ifdef O_NOATIME
constexpr int KEEP_ACCESS_TIME = O_NOATIME;
#else
constexpr int KEEP_ACCESS_TIME = 0;
#endif

// It is for the owner and for root.
template <class Open>
int open_keeping_access_time(int flags, Open open) {
  const int fd = open(flags | KEEP_ACCESS_TIME);
  return fd == -EPERM && KEEP_ACCESS_TIME != 0 ? open(flags) : fd;
}

// Below PATH_MAX, which is 1,024 or more on every system.
#ifdef __linux__
constexpr size_t PIECE_BYTES = 4000;
#else
constexpr size_t PIECE_BYTES = 1000;
#endif

bool is_link(int directory, const char* name) {
  struct stat status;
  return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
}

int open_component(int directory, const std::string& name, int flags, mode_t mode) {
  const int fd = open_at(directory, name.c_str(), flags | O_NOFOLLOW, mode);
  // O_DIRECTORY on a link says ENOTDIR: say what it is, as openat2 does.
  if ((fd == -ENOTDIR || fd == -EMLINK) && is_link(directory, name.c_str())) return -ELOOP;
  return fd;
}

int open_by_components(int directory, const std::string& path, int flags, mode_t mode) {
  Fd holder;
  size_t at = 0;
  for (;;) {
    const size_t slash = path.find('/', at);
    if (slash == std::string::npos) return open_component(directory, path.substr(at), flags, mode);
    const int fd = open_component(directory, path.substr(at, slash - at), DIRECTORY_FLAGS, 0);
    if (fd < 0) return fd;
    holder = Fd(fd);
    directory = fd;
    at = slash + 1;
  }
}

int open_piece(int directory, const std::string& path, int flags, mode_t mode) {
#ifdef SYS_openat2
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_NOFOLLOW);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long fd = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == EINTR) continue;
    // Kernels before 5.6 say ENOSYS, sandboxes that do not know the call say EPERM.
    // ENOTDIR may stand for a link in the last place: a second look tells.
    const bool is_unknown = errno == ENOSYS || (errno == EPERM && (flags & KEEP_ACCESS_TIME) == 0);
    if (!is_unknown && errno != ENOTDIR) return -errno;
    break;
  }
#endif
  return open_by_components(directory, path, flags, mode);
}

}  // namespace

int open_at(int directory, const char* path, int flags, mode_t mode) {
  for (;;) {
    const int fd = openat(directory, path, flags, mode);
    if (fd >= 0) return fd;
    if (errno != EINTR) return -errno;
  }
}

int open_to_read(int directory, const char* name, int more) {
  return open_keeping_access_time(READ_FLAGS | more, [&](int flags) { return open_at(directory, name, flags); });
}

Fd open_root(const std::string& path) {
  const int fd = path.find('\0') == std::string::npos ? open_at(AT_FDCWD, path.c_str(), DIRECTORY_FLAGS) : -EINVAL;
  if (fd < 0) throw SystemError{-fd, "open", SystemError::What::read};
  return Fd(fd);
}

bool is_safe_path(const std::string& path) {
  if (path == ".") return true;
  if (path.find('\0') != std::string::npos) return false;
  size_t at = 0;
  for (;;) {
    size_t slash = path.find('/', at);
    if (slash == std::string::npos) slash = path.size();
    const size_t length = slash - at;
    if (length == 0 || path.compare(at, length, ".") == 0 || path.compare(at, length, "..") == 0) return false;
    if (slash == path.size()) return true;
    at = slash + 1;
  }
}

int open_beneath(int root, const std::string& path, int flags, mode_t mode) {
  flags |= O_CLOEXEC;
  if (path == ".") return open_at(root, ".", flags, mode);
  if (!is_safe_path(path)) return -EINVAL;
  Fd holder;
  int directory = root;
  size_t at = 0;
  while (path.size() - at > PIECE_BYTES) {
    const size_t slash = path.rfind('/', at + PIECE_BYTES);
    if (slash == std::string::npos || slash <= at) return -ENAMETOOLONG;
    const int fd = open_piece(directory, path.substr(at, slash - at), DIRECTORY_FLAGS, 0);
    if (fd < 0) return fd;
    holder = Fd(fd);
    directory = fd;
    at = slash + 1;
  }
  return open_piece(directory, path.substr(at), flags, mode);
}

int open_beneath_to_read(int root, const std::string& path, int more) {
  return open_keeping_access_time(READ_FLAGS | more, [&](int flags) { return open_beneath(root, path, flags); });
}

int Parents::open(const std::string& path, std::string& name) {
  if (!is_safe_path(path)) return -EINVAL;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    name = path;
    return root_;
  }
  name = path.substr(slash + 1);
  std::string parent = path.substr(0, slash);
  const bool is_open = fd_.get() >= 0;
  if (is_open && parent == parent_) return fd_.get();
  // Often a directory in the last one: what is open need not be looked up again.
  const size_t shared = parent_.size() + 1;
  const bool is_below = is_open && parent.size() > shared && parent[shared - 1] == '/' &&
                        parent.compare(0, parent_.size(), parent_) == 0;
  const int fd = is_below ? open_beneath(fd_.get(), parent.substr(shared), DIRECTORY_FLAGS)
                          : open_beneath(root_, parent, DIRECTORY_FLAGS);
  if (fd < 0) return fd;
  fd_ = Fd(fd);
  parent_ = std::move(parent);
  return fd;
}

void Parents::forget() {
  fd_.reset();
  parent_.clear();
}

}  // namespace ibt
