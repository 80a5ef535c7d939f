#include "operations.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#ifdef __linux__
#include <sys/sysmacros.h>
#endif

#include "../engine.h"
#include "beneath.h"
#include "remove.h"

namespace ibt {
namespace {

constexpr size_t WRITE_STEP_BYTES = 1 << 20;
// Holes of a sparse file are of such blocks: what a page is, and a file system's block mostly.
constexpr size_t HOLE_BYTES = 4096;
// Bodies that are hashed between two looks at the cancel token.
constexpr size_t PROVEN_TOGETHER = 64;

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

void to_times(const Operation& operation, struct timespec times[2]) {
  times[0].tv_sec = 0;
  times[0].tv_nsec = UTIME_OMIT;
  times[1] = to_timespec(operation.mtime_ns);
}

bool has_other_owner(const Operation& operation, const struct stat& status) {
  return (operation.uid != LEAVE && operation.uid != status.st_uid) ||
         (operation.gid != LEAVE && operation.gid != status.st_gid);
}

// Of a new file. The time comes last: what is torn shows by it.
int set_open_metadata(int fd, const Operation& operation) {
  struct stat status;
  if (fstat(fd, &status) != 0) return errno;
  FirstError first;
  if (has_other_owner(operation, status)) first.note(result_of(fchown(fd, operation.uid, operation.gid)));
  const int chown_error = first.get();
  first.note(set_xattrs({fd, {}}, operation.xattrs, chown_error == 0));
  if (operation.mode != LEAVE) {
    const mode_t mode = mode_to_set(operation, chown_error);
    // Attributes may be ACLs, which change the mode.
    const bool has_mode = mode == (status.st_mode & 07777u) && operation.xattrs.size <= sizeof(uint32_t);
    if (!has_mode) first.note(result_of(fchmod(fd, mode)));
  }
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

int set_named_xattrs(int parent, const std::string& name, const Operation& operation, const struct stat& status,
                     bool has_its_owner) {
  const XattrTarget target = XattrTarget::beside(parent, name);
  const int error = set_xattrs(target, operation.xattrs, has_its_owner);
  // The user's own file that the user may not write: its mode is set afterwards.
  if (error != EACCES || operation.mode == LEAVE || S_ISLNK(status.st_mode)) return error;
  if (set_mode(parent, name.c_str(), (status.st_mode & 07777u) | S_IWUSR) != 0) return error;
  return set_xattrs(target, operation.xattrs, has_its_owner);
}

int set_metadata(int parent, const std::string& name, const Operation& operation) {
  struct stat status;
  if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  FirstError first;
  if (has_other_owner(operation, status)) {
    first.note(result_of(fchownat(parent, name.c_str(), operation.uid, operation.gid, AT_SYMLINK_NOFOLLOW)));
  }
  const int chown_error = first.get();
  first.note(set_named_xattrs(parent, name, operation, status, chown_error == 0));
  // A symbolic link's own mode means nothing, and Linux cannot set it.
  if (operation.mode != LEAVE && !S_ISLNK(status.st_mode)) {
    first.note(set_mode(parent, name.c_str(), mode_to_set(operation, chown_error)));
  }
  if (operation.mtime_ns != LEAVE_TIME) {
    struct timespec times[2];
    to_times(operation, times);
    first.note(result_of(utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW)));
  }
  return first.get();
}

bool is_zeros(const uint8_t* bytes, size_t length) { return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0; }

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
      case WRITE_SPARSE_FILE:
        return write_file(parent, name, operation);
      case MAKE_SYMLINK:
        return make(symlinkat(operation.other.c_str(), parent, name.c_str()), parent, name, operation);
      case MAKE_LINK:
        return with_other(operation, [&](int other, const char* old) {
          return result_of(linkat(other, old, parent, name.c_str(), 0));
        });
      case MAKE_FIFO:
        return make(mkfifoat(parent, name.c_str(), 0600), parent, name, operation);
      case MAKE_CHARACTER_DEVICE:
        return make(make_device(parent, name, S_IFCHR, operation), parent, name, operation);
      case MAKE_BLOCK_DEVICE:
        return make(make_device(parent, name, S_IFBLK, operation), parent, name, operation);
      case SET_METADATA:
        return set_metadata(parent, name, operation);
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
    return returned == 0 ? set_metadata(parent, name, operation) : errno;
  }

  static int make_device(int parent, const std::string& name, mode_t type, const Operation& operation) {
    return mknodat(parent, name.c_str(), type | 0600u, makedev(operation.dev_major, operation.dev_minor));
  }

  template <class Use>
  int with_other(const Operation& operation, Use use) {
    std::string name;
    const int other = others_.open(operation.other, name);
    if (other < 0) return -other;
    return name == "." ? EINVAL : use(other, name.c_str());
  }

  // What a new file begins with. One that stays the user's own has its mode at once: to look costs less than to set.
  mode_t first_mode(const Operation& operation) const {
    const bool is_own = (operation.uid == LEAVE || operation.uid == uid_) &&
                        (operation.gid == LEAVE || operation.gid == gid_);
    return is_own && operation.mode != LEAVE ? (operation.mode & 0777u) | 0600u : 0600u;
  }

  void forget() {
    parents_.forget();
    others_.forget();
  }

  int write_file(int parent, const std::string& name, const Operation& operation) {
    const bool replaces = !operation.other.empty();
    const std::string& made = replaces ? operation.other : name;
    if (!is_safe_path(made) || made == "." || made.find('/') != std::string::npos) return EINVAL;
    const int fd = open_at(parent, made.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, first_mode(operation));
    if (fd < 0) return -fd;
    Fd file(fd);
    int error = operation.code == WRITE_SPARSE_FILE ? write_sparse(fd, operation) : write_body(fd, operation);
    FirstError first;
    if (error == 0) {
      first.note(set_open_metadata(fd, operation));
      // A network file system may tell only now that a write has failed.
      error = result_of(::close(file.release()));
    }
    if (error == 0 && replaces) error = result_of(renameat(parent, made.c_str(), parent, name.c_str()));
    if (error == 0) return first.get();
    // Half a file is no file.
    unlinkat(parent, made.c_str(), 0);
    if (error == ECANCELED) throw Cancelled{};
    return error;
  }

  int write_body(int fd, const Operation& operation) { return write_range(fd, operation, 0, operation.body_length); }

  // Leaves out the blocks that are all zeros.
  int write_sparse(int fd, const Operation& operation) {
    const size_t length = operation.body_length;
    size_t start = 0;
    for (size_t at = 0; at < length; at += HOLE_BYTES) {
      const size_t block = std::min(HOLE_BYTES, length - at);
      if (!is_zeros(operation.body + at, block)) continue;
      const int error = write_range(fd, operation, start, at);
      if (error != 0) return error;
      start = at + block;
    }
    const int error = write_range(fd, operation, start, length);
    return error != 0 ? error : result_of(ftruncate(fd, static_cast<off_t>(length)));
  }

  int write_range(int fd, const Operation& operation, size_t start, size_t end) {
    while (start < end) {
      if (cancel_.cancelled()) return ECANCELED;
      const size_t step = std::min(end - start, WRITE_STEP_BYTES);
      const ssize_t count = pwrite(fd, operation.body + start, step, static_cast<off_t>(start));
      if (count < 0 && errno != EINTR) return errno;
      if (count > 0) start += static_cast<size_t>(count);
    }
    return 0;
  }

  const uid_t uid_ = geteuid();
  const gid_t gid_ = getegid();
  Parents parents_;
  Parents others_;
  const CancelToken& cancel_;
};

bool makes_directory(const Operation& operation) { return operation.code == MAKE_DIRECTORY; }

bool writes_file(const Operation& operation) {
  return operation.code == WRITE_FILE || operation.code == WRITE_SPARSE_FILE;
}

// An error for each body that is not what it should be. The digests are made of several bodies at once.
std::vector<int32_t> prove(const std::vector<Operation>& operations, const CancelToken& cancel) {
  std::vector<int32_t> errors(operations.size());
  std::vector<Content> bodies;
  std::vector<size_t> owners;
  for (size_t i = 0; i < operations.size(); i++) {
    if (operations[i].sha256 == nullptr) continue;
    bodies.push_back({operations[i].body, operations[i].body_length});
    owners.push_back(i);
  }
  std::vector<uint8_t> digests(32 * bodies.size());
  for (size_t at = 0; at < bodies.size(); at += PROVEN_TOGETHER) {
    cancel.check();
    sha256_many(&bodies[at], std::min(PROVEN_TOGETHER, bodies.size() - at), &digests[32 * at]);
  }
  for (size_t i = 0; i < owners.size(); i++) {
    if (memcmp(&digests[32 * i], operations[owners[i]].sha256, 32) != 0) errors[owners[i]] = NOT_PROVEN;
  }
  return errors;
}

}  // namespace

std::vector<int32_t> operate(const std::string& root, const std::vector<Operation>& operations, Turn* turn,
                             const CancelToken& cancel) {
  const Fd top = open_root(root);
  Operator run(top.get(), cancel);
  std::vector<int32_t> errors = prove(operations, cancel);
  const auto apply = [&](auto is_wanted) {
    for (size_t i = 0; i < operations.size(); i++) {
      if (errors[i] != 0 || !is_wanted(operations[i])) continue;
      cancel.check();
      errors[i] = run.apply(operations[i]);
    }
  };
  if (turn == nullptr) {
    apply([](const Operation&) { return true; });
    return errors;
  }
  turn->wait(Step::made_directories, cancel);
  apply(makes_directory);
  turn->reach(Step::made_directories);
  apply(writes_file);
  turn->wait(Step::done, cancel);
  apply([](const Operation& operation) { return !makes_directory(operation) && !writes_file(operation); });
  turn->reach(Step::done);
  return errors;
}

}  // namespace ibt
