#include "operations.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "beneath.h"
#include "remove.h"

namespace ibt {
namespace {

constexpr size_t WRITE_STEP_BYTES = 1 << 20;

int result_of(int returned) { return returned == 0 ? 0 : errno; }

struct timespec to_timespec(int64_t ns) {
  struct timespec time;
  int64_t seconds = ns / 1000000000;
  if (ns % 1000000000 < 0) seconds -= 1;
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = static_cast<long>(ns - seconds * 1000000000);
  return time;
}

// Remembers the first error of several steps.
class FirstError {
 public:
  void note(int error) {
    if (error_ == 0) error_ = error;
  }
  int get() const { return error_; }

 private:
  int error_ = 0;
};

// chown clears setuid, so the mode comes after it; a file that did not get its owner does not get setuid either.
mode_t mode_to_set(const Operation& operation, int chown_error) {
  return operation.mode & (chown_error == 0 ? 07777u : 01777u);
}

bool has_owner(const Operation& operation) { return operation.uid != LEAVE || operation.gid != LEAVE; }

void to_times(const Operation& operation, struct timespec times[2]) {
  times[0].tv_sec = 0;
  times[0].tv_nsec = UTIME_OMIT;
  times[1] = to_timespec(operation.mtime_ns);
}

int set_open_metadata(int fd, const Operation& operation) {
  FirstError first;
  if (has_owner(operation)) first.note(result_of(fchown(fd, operation.uid, operation.gid)));
  if (operation.mode != LEAVE) first.note(result_of(fchmod(fd, mode_to_set(operation, first.get()))));
  if (operation.mtime_ns != LEAVE_TIME) {
    struct timespec times[2];
    to_times(operation, times);
    first.note(result_of(futimens(fd, times)));
  }
  return first.get();
}

int set_mode(int parent, const char* name, mode_t mode) {
  if (fchmodat(parent, name, mode, AT_SYMLINK_NOFOLLOW) == 0) return 0;
  if (errno != ENOTSUP && errno != ENOSYS && errno != EINVAL) return errno;
  // The C library has no call that does not follow links.
  const Fd file(open_at(parent, name, READ_FLAGS));
  return file.get() < 0 ? -file.get() : result_of(fchmod(file.get(), mode));
}

int set_metadata(int parent, const char* name, const Operation& operation) {
  struct stat status;
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  FirstError first;
  if (has_owner(operation)) {
    first.note(result_of(fchownat(parent, name, operation.uid, operation.gid, AT_SYMLINK_NOFOLLOW)));
  }
  // A symbolic link's own mode means nothing, and Linux cannot set it.
  if (operation.mode != LEAVE && !S_ISLNK(status.st_mode)) {
    first.note(set_mode(parent, name, mode_to_set(operation, first.get())));
  }
  if (operation.mtime_ns != LEAVE_TIME) {
    struct timespec times[2];
    to_times(operation, times);
    first.note(result_of(utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW)));
  }
  return first.get();
}

class Operator {
 public:
  Operator(int root, const CancelToken& cancel) : parents_(root), others_(root), cancel_(cancel) {}

  int apply(const Operation& operation) {
    std::string name;
    const int parent = parents_.open(operation.path, name);
    if (parent < 0) {
      const bool is_nowhere = parent == -ENOENT || parent == -ENOTDIR;
      return operation.code == REMOVE && is_nowhere ? 0 : -parent;
    }
    if (name == "." && operation.code != SET_METADATA) return operation.code == MAKE_DIRECTORY ? EEXIST : EINVAL;
    switch (operation.code) {
      case MAKE_DIRECTORY:
        return make(mkdirat(parent, name.c_str(), 0700), parent, name, operation);
      case WRITE_FILE:
        return write_file(parent, name, operation);
      case MAKE_SYMLINK:
        return make(symlinkat(operation.other.c_str(), parent, name.c_str()), parent, name, operation);
      case MAKE_LINK:
        return with_other(operation, [&](int other, const char* old) {
          return result_of(linkat(other, old, parent, name.c_str(), 0));
        });
      case SET_METADATA:
        return set_metadata(parent, name.c_str(), operation);
      case REMOVE: {
        const int error = remove_tree(parent, name, cancel_);
        forget();
        return error;
      }
      case RENAME: {
        const int error = with_other(operation, [&](int other, const char* to) {
          return result_of(renameat(parent, name.c_str(), other, to));
        });
        forget();
        return error;
      }
      default:
        return EINVAL;
    }
  }

 private:
  int make(int returned, int parent, const std::string& name, const Operation& operation) {
    return returned == 0 ? set_metadata(parent, name.c_str(), operation) : errno;
  }

  template <class Use>
  int with_other(const Operation& operation, Use use) {
    std::string name;
    const int other = others_.open(operation.other, name);
    if (other < 0) return -other;
    return name == "." ? EINVAL : use(other, name.c_str());
  }

  void forget() {
    parents_.forget();
    others_.forget();
  }

  int write_file(int parent, const std::string& name, const Operation& operation) {
    const int fd = open_at(parent, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return -fd;
    Fd file(fd);
    const int error = write_body(fd, operation);
    if (error != 0) {
      // Half a file is no file.
      unlinkat(parent, name.c_str(), 0);
      if (error == ECANCELED) throw Cancelled{};
      return error;
    }
    FirstError first;
    first.note(set_open_metadata(fd, operation));
    first.note(result_of(::close(file.release())));
    return first.get();
  }

  int write_body(int fd, const Operation& operation) {
    size_t written = 0;
    while (written < operation.body_length) {
      if (cancel_.cancelled()) return ECANCELED;
      const size_t step = std::min(operation.body_length - written, WRITE_STEP_BYTES);
      const ssize_t count = write(fd, operation.body + written, step);
      if (count < 0 && errno != EINTR) return errno;
      if (count > 0) written += static_cast<size_t>(count);
    }
    return 0;
  }

  Parents parents_;
  Parents others_;
  const CancelToken& cancel_;
};

}  // namespace

std::vector<int32_t> operate(const std::string& root, const std::vector<Operation>& operations,
                             const CancelToken& cancel) {
  const Fd top = open_root(root);
  Operator run(top.get(), cancel);
  std::vector<int32_t> errors;
  errors.reserve(operations.size());
  for (const Operation& operation : operations) {
    cancel.check();
    errors.push_back(run.apply(operation));
  }
  return errors;
}

}  // namespace ibt
