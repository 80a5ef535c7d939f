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
#include "metadata.h"
#include "mount.h"
#include "remove.h"
#include "system_error.h"

namespace ibt {
namespace {

constexpr size_t WRITE_STEP_BYTES = 1 << 20;
// Holes of a sparse file are of such blocks: what a page is, and a file system's block mostly.
constexpr size_t HOLE_BYTES = 4096;
// Bodies that are hashed between two looks at the cancel token.
constexpr size_t PROVEN_TOGETHER = 64;

bool is_zeros(const uint8_t* bytes, size_t length) { return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0; }

class Operator {
 public:
  Operator(int root, const CancelToken& cancel) : root_(root), parents_(root), others_(root), cancel_(cancel) {}

  // Adds what could not be set of what is there then.
  int apply(const Operation& operation, UnsetList& unset) {
    unset_ = &unset;
    std::string name;
    const int parent = parents_.open(operation.path, name);
    if (parent < 0) {
      const bool is_nowhere = parent == -ENOENT || parent == -ENOTDIR;
      return removes(operation) && is_nowhere ? 0 : -parent;
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
        return set_named_metadata(parent, name, operation.metadata, *unset_);
      case REMOVE:
        return forgetting(at_root_mount([&](const MountPlace& root) { return remove_tree(parent, name, root, cancel_); }));
      case REMOVE_ONE:
        return forgetting(at_root_mount([&](const MountPlace& root) { return remove_one(parent, name, root); }));
      case UNLINK:
        return unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT ? 0 : errno;
      case RENAME:
        return forgetting(with_other(operation, [&](int other, const char* to) {
          return replace(parent, name, other, to);
        }));
      default:
        return EINVAL;
    }
  }

 private:
  int make(int returned, int parent, const std::string& name, const Operation& operation) {
    return returned == 0 ? set_named_metadata(parent, name, operation.metadata, *unset_) : errno;
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
  mode_t first_mode(const Metadata& metadata) const {
    return metadata.mode != LEAVE && stays_own(metadata, uid_, gid_) ? (metadata.mode & 0777u) | 0600u : 0600u;
  }

  static bool removes(const Operation& operation) {
    return operation.code == REMOVE || operation.code == REMOVE_ONE || operation.code == UNLINK;
  }

  template <class Use>
  int at_root_mount(Use use) {
    if (!knows_mount_) {
      const int error = look_at_mount(root_, nullptr, mount_);
      if (error != 0) return error;
      knows_mount_ = true;
    }
    return use(mount_);
  }

  int replace(int from, const std::string& name, int directory, const std::string& to) {
    return at_root_mount([&](const MountPlace& root) {
      if (is_mounted(directory, to, root)) return SPARED;
      return result_of(renameat(from, name.c_str(), directory, to.c_str()));
    });
  }

  int forgetting(int error) {
    forget();
    return error;
  }

  void forget() {
    parents_.forget();
    others_.forget();
  }

  int write_file(int parent, const std::string& name, const Operation& operation) {
    const bool replaces = !operation.other.empty();
    const std::string& made = replaces ? operation.other : name;
    if (!is_safe_path(made) || made == "." || made.find('/') != std::string::npos) return EINVAL;
    const int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    const int fd = open_at(parent, made.c_str(), flags, first_mode(operation.metadata));
    if (fd < 0) return -fd;
    Fd file(fd);
    int error = operation.code == WRITE_SPARSE_FILE ? write_sparse(fd, operation) : write_body(fd, operation);
    if (error == 0) {
      set_open_metadata(fd, operation.metadata, *unset_);
      // A network file system may tell only now that a write has failed.
      error = result_of(::close(file.release()));
    }
    if (error == 0 && replaces) error = replace(parent, made, parent, name);
    if (error == 0) return 0;
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
  const int root_;
  Parents parents_;
  Parents others_;
  const CancelToken& cancel_;
  MountPlace mount_;
  bool knows_mount_ = false;
  UnsetList* unset_ = nullptr;
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

Operated operate(int root, const std::vector<Operation>& operations, Turn* turn, const CancelToken& cancel) {
  Operator run(root, cancel);
  Operated result{prove(operations, cancel), {}};
  UnsetList unset;
  const auto apply = [&](auto is_wanted) {
    for (size_t i = 0; i < operations.size(); i++) {
      if (result.errors[i] != 0 || !is_wanted(operations[i])) continue;
      cancel.check();
      result.errors[i] = run.apply(operations[i], unset);
      for (Unset& part : unset) result.unset.emplace_back(static_cast<uint32_t>(i), std::move(part));
      unset.clear();
    }
  };
  if (turn == nullptr) {
    apply([](const Operation&) { return true; });
    return result;
  }
  turn->wait(Step::made_directories, cancel);
  apply(makes_directory);
  turn->reach(Step::made_directories);
  apply(writes_file);
  turn->wait(Step::done, cancel);
  apply([](const Operation& operation) { return !makes_directory(operation) && !writes_file(operation); });
  turn->reach(Step::done);
  return result;
}

}  // namespace ibt
