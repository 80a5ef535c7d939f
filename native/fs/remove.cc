#include "remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "beneath.h"

namespace ibt {
namespace {

constexpr int OPEN_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

// A directory on the way down. Its device and inode tell whether ".." led back to it.
struct Level {
  std::string name;
  dev_t dev = 0;
  ino_t ino = 0;
  std::vector<std::string> directories;
};

class Remover {
 public:
  Remover(int parent, const MountPlace& root, const CancelToken& cancel)
      : parent_(parent), root_(root), cancel_(cancel) {}

  int remove(const std::string& name) {
    enter(parent_, name);
    while (!levels_.empty()) {
      cancel_.check();
      std::vector<std::string>& directories = levels_.back().directories;
      if (directories.empty()) {
        if (!leave()) break;
        continue;
      }
      const std::string next = std::move(directories.back());
      directories.pop_back();
      enter(current_.get(), next);
    }
    return error_ != 0 ? error_ : is_spared_ ? SPARED : 0;
  }

 private:
  void note(int error) {
    // Busy is a mount point, and what leads to it is not empty.
    if (error == EBUSY) is_spared_ = true;
    else if (is_spared_ && (error == ENOTEMPTY || error == EEXIST)) return;
    else if (error_ == 0 && error != ENOENT) error_ = error;
  }

  void enter(int directory, const std::string& name) {
    open_up(directory, name);
    const int fd = open_at(directory, name.c_str(), OPEN_FLAGS);
    if (fd < 0) return note(-fd);
    Fd opened(fd);
    struct stat status;
    if (fstat(fd, &status) != 0) return note(errno);
    // What is mounted there is not part of the tree.
    MountPlace place;
    const int error = look_at_mount(fd, nullptr, place);
    if (error != 0) return note(error);
    if (!is_same_mount(root_, place)) return note(EBUSY);
    Level level{name, status.st_dev, status.st_ino, {}};
    remove_files(fd, level.directories);
    levels_.push_back(std::move(level));
    current_ = std::move(opened);
  }

  // Unlinks all but directories, which it collects.
  void remove_files(int fd, std::vector<std::string>& directories) {
    const int copy = open_at(fd, ".", OPEN_FLAGS);
    if (copy < 0) return note(-copy);
    const auto close = [](DIR* directory) { closedir(directory); };
    const std::unique_ptr<DIR, decltype(close)> listing(fdopendir(copy), close);
    if (listing == nullptr) {
      ::close(copy);
      return note(ENOMEM);
    }
    for (;;) {
      cancel_.check();
      errno = 0;
      const struct dirent* entry = readdir(listing.get());
      if (entry == nullptr) {
        if (errno != 0) note(errno);
        return;
      }
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (is_directory(fd, entry)) directories.push_back(name);
      else if (unlinkat(fd, name.c_str(), 0) != 0) note(errno);
    }
  }

  // The user's own directory that the user may not read or write is made so: it goes away.
  static void open_up(int parent, const std::string& name) {
    if (geteuid() == 0) return;
    struct stat status;
    if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(status.st_mode)) return;
    const mode_t all = S_IRUSR | S_IWUSR | S_IXUSR;
    if ((status.st_mode & all) == all || status.st_uid != geteuid()) return;
    fchmodat(parent, name.c_str(), (status.st_mode & 07777u) | all, AT_SYMLINK_NOFOLLOW);
  }

  static bool is_directory(int fd, const struct dirent* entry) {
    if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
    struct stat status;
    return fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
  }

  // Removes the emptied directory from the one above. False if that is not where it was any more.
  bool leave() {
    const std::string name = std::move(levels_.back().name);
    levels_.pop_back();
    if (levels_.empty()) {
      current_.reset();
      if (unlinkat(parent_, name.c_str(), AT_REMOVEDIR) != 0) note(errno);
      return true;
    }
    const int fd = open_at(current_.get(), "..", OPEN_FLAGS);
    if (fd < 0) {
      note(-fd);
      return false;
    }
    current_ = Fd(fd);
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_dev != levels_.back().dev || status.st_ino != levels_.back().ino) {
      note(EAGAIN);
      return false;
    }
    if (unlinkat(fd, name.c_str(), AT_REMOVEDIR) != 0) note(errno);
    return true;
  }

  const int parent_;
  const MountPlace& root_;
  const CancelToken& cancel_;
  std::vector<Level> levels_;
  Fd current_;
  int error_ = 0;
  bool is_spared_ = false;
};

}  // namespace

int remove_tree(int parent, const std::string& name, const MountPlace& root, const CancelToken& cancel) {
  MountPlace place;
  const int error = look_at_mount(parent, name.c_str(), place);
  if (error != 0) return error == ENOENT ? 0 : error;
  if (!place.is_directory) return remove_one(parent, name, root);
  return is_same_mount(root, place) ? Remover(parent, root, cancel).remove(name) : SPARED;
}

int remove_one(int parent, const std::string& name, const MountPlace& root) {
  MountPlace place;
  const int error = look_at_mount(parent, name.c_str(), place);
  if (error != 0) return error == ENOENT ? 0 : error;
  if (!is_same_mount(root, place)) return SPARED;
  if (unlinkat(parent, name.c_str(), place.is_directory ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) return 0;
  return errno == EBUSY ? SPARED : errno == EEXIST ? ENOTEMPTY : errno;
}

bool is_mounted(int parent, const std::string& name, const MountPlace& root) {
  MountPlace place;
  return look_at_mount(parent, name.c_str(), place) == 0 && !is_same_mount(root, place);
}

}  // namespace ibt
