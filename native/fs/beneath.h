// Opens what lies below a root without following a symbolic link in any component.
#pragma once
#include <fcntl.h>
#include <sys/types.h>

#include <string>

#include "fd.h"

namespace ibt {

// A directory that is only a starting point for the *at() calls.
#ifdef O_PATH
constexpr int DIRECTORY_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC;
#else
constexpr int DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
#endif

// A FIFO does not block it, a terminal does not become ours, a link in the last place is refused.
constexpr int READ_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;

// openat() that is repeated when a signal interrupts it. Returns a descriptor or -errno.
int open_at(int directory, const char* path, int flags, mode_t mode = 0);

// openat() for reading, with READ_FLAGS and these: without a new access time where the user may keep it.
int open_to_read(int directory, const char* name, int more = 0);

// Opens the root, following links. Throws SystemError.
Fd open_root(const std::string& path);

// The directory that a job works below: a name, which is opened when the job runs, or a descriptor of the job's own.
class Root {
 public:
  explicit Root(std::string path) : path_(std::move(path)) {}
  explicit Root(Fd&& fd) : fd_(std::move(fd)), is_open_(true) {}
  // A descriptor that is valid as long as the root is. Throws SystemError.
  int open() {
    if (!is_open_) fd_ = open_root(path_);
    is_open_ = true;
    return fd_.get();
  }

 private:
  std::string path_;
  Fd fd_;
  bool is_open_ = false;
};

// Whether the path is "." or relative, without empty, "." and ".." parts and without NUL.
bool is_safe_path(const std::string& path);

// Opens a path below the root, of any length. Returns a descriptor or -errno: ELOOP where a component is a link.
int open_beneath(int root, const std::string& path, int flags, mode_t mode = 0);
// As `open_to_read`.
int open_beneath_to_read(int root, const std::string& path, int more = 0);

// Keeps the directory of the last path open, for the next one may lie in it too.
class Parents {
 public:
  explicit Parents(int root) : root_(root) {}
  // Opens the directory that holds the path and sets `name` to the last part.
  // Returns a descriptor, valid until the next call, or -errno.
  int open(const std::string& path, std::string& name);
  // Directories were moved or removed.
  void forget();

 private:
  int root_;
  std::string parent_;
  Fd fd_;
};

}  // namespace ibt
