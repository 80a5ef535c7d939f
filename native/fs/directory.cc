#include "directory.h"

#include <errno.h>

#include <algorithm>
#include <unordered_set>

#include "beneath.h"
#include "extents.h"
#include "system_error.h"
#include "xattrs.h"

namespace ibt {
namespace {

constexpr size_t LOOKS_BETWEEN_CHECKS = 256;
constexpr size_t CAPTURE_STEP_BYTES = 65536;
constexpr int LOOKS_MAX = 3;

struct Name {
  std::string bytes;
  ino_t ino;
  FileStat stat{};
  std::string target{};
};

[[noreturn]] void fail(int error, const char* syscall) { throw SystemError{error, syscall, SystemError::What::read}; }

std::vector<Name> read_names(DIR* directory, const CancelToken& cancel) {
  std::vector<Name> names;
  for (;;) {
    errno = 0;
    const struct dirent* entry = readdir(directory);
    if (entry == nullptr) {
      if (errno != 0) fail(errno, "scandir");
      return names;
    }
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back({name, entry->d_ino});
    if (names.size() % LOOKS_BETWEEN_CHECKS == 0) cancel.check();
  }
}

std::string read_link(int directory, const char* name, off_t size, FileStat& stat) {
  std::string target(std::max<size_t>(static_cast<size_t>(size) + 1, 256), '\0');
  for (;;) {
    const ssize_t length = readlinkat(directory, name, &target[0], target.size());
    if (length < 0) {
      stat = failed_stat(errno);
      return {};
    }
    if (static_cast<size_t>(length) < target.size()) {
      target.resize(static_cast<size_t>(length));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

void look(int directory, Name& name) {
  struct stat status;
  const char* const bytes = name.bytes.c_str();
  name.stat = fstatat(directory, bytes, &status, AT_SYMLINK_NOFOLLOW) == 0 ? to_file_stat(status) : failed_stat(errno);
  if (name.stat.type == TYPE_SYMLINK) name.target = read_link(directory, bytes, status.st_size, name.stat);
  if (name.stat.sparse == 0) return;
  const Fd file(open_to_read(directory, bytes));
  if (file.get() >= 0) confirm_holes(file.get(), name.stat);
}

bool is_missing(const Name& name) { return name.stat.error == ENOENT; }

// What is not found was removed since it was listed, and is left out; but what is still listed at every look, and never
// found, is there: its error stays.
void look_again(DIR* open, int directory, std::vector<Name>& names, const CancelToken& cancel) {
  for (int looks = 1; looks < LOOKS_MAX && std::any_of(names.begin(), names.end(), is_missing); looks++) {
    rewinddir(open);
    std::unordered_set<std::string> listed;
    for (Name& name : read_names(open, cancel)) listed.insert(std::move(name.bytes));
    const auto is_gone = [&](const Name& name) { return is_missing(name) && listed.count(name.bytes) == 0; };
    names.erase(std::remove_if(names.begin(), names.end(), is_gone), names.end());
    for (Name& name : names) {
      if (is_missing(name)) look(directory, name);
    }
  }
}

// Up to so many bytes of an open file; sets `error`.
RawBytes read_up_to(int file, size_t max, int& error) {
  RawBytes bytes;
  while (bytes.size() < max) {
    const size_t step = std::min(max - bytes.size(), CAPTURE_STEP_BYTES);
    bytes.reserve_more(step);
    const ssize_t count = read(file, bytes.end(), step);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      error = count < 0 ? errno : 0;
      return bytes;
    }
    bytes.added(static_cast<size_t>(count));
  }
  error = 0;
  return bytes;
}

// What was listed as a regular file; `stat` gets the error if it cannot be read, but for one that is gone or another by now.
std::optional<RawBytes> capture_file(int directory, const char* name, size_t max, FileStat& stat) {
  const auto failed = [&stat](int error) {
    if (error != ENOENT && error != ELOOP) stat = failed_stat(error);
    return std::nullopt;
  };
  Fd file(open_to_read(directory, name));
  struct stat status;
  if (file.get() < 0) return failed(-file.get());
  if (fstat(file.get(), &status) != 0) return failed(errno);
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  int error;
  RawBytes bytes = read_up_to(file.get(), max, error);
  if (error != 0) return failed(error);
  return bytes;
}

// What a link leads to: a regular file, or `error` says why not. Nothing else is opened, for that alone may have an
// effect on a device; and what has no size is not read, for it may be a file of the kernel's that a read empties.
std::optional<RawBytes> capture_link(int directory, const char* name, size_t max, int& error) {
#ifdef O_PATH
  const Fd found(open_at(directory, name, O_PATH | O_CLOEXEC));
  struct stat status;
  error = found.get() < 0 ? -found.get() : fstat(found.get(), &status) != 0 ? errno : 0;
  if (error != 0) return std::nullopt;
  error = S_ISREG(status.st_mode) ? 0 : S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
  if (error != 0) return std::nullopt;
  if (status.st_size == 0) return RawBytes();
  const std::string path = "/proc/self/fd/" + std::to_string(found.get());
  const Fd file(open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  error = file.get() < 0 ? -file.get() : 0;
  if (error != 0) return std::nullopt;
  RawBytes bytes = read_up_to(file.get(), max, error);
  if (error != 0) return std::nullopt;
  return bytes;
#else
  (void)directory, (void)name, (void)max;
  error = ELOOP;
  return std::nullopt;
#endif
}

}  // namespace

OpenDirectory::OpenDirectory(Fd&& fd) : fd_(fd.get()) {
  struct stat status;
  if (fstat(fd_, &status) != 0) fail(errno, "fstat");
  self_ = to_file_stat(status);
  directory_.reset(fdopendir(fd_));
  if (directory_ == nullptr) fail(errno, "opendir");
  fd.release();
}

DirectoryListing OpenDirectory::list(const Capture& capture, const CancelToken& cancel) {
  const int fd = fd_;
  DirectoryListing listing;
  listing.self = self_;
  std::vector<Name> names = read_names(directory_.get(), cancel);
  // Inodes are read from a disk faster in their own order than in that of the names.
  std::sort(names.begin(), names.end(), [](const Name& a, const Name& b) { return a.ino < b.ino; });
  for (size_t i = 0; i < names.size(); i++) {
    if (i % LOOKS_BETWEEN_CHECKS == 0) cancel.check();
    look(fd, names[i]);
  }
  look_again(directory_.get(), fd, names, cancel);
  // std::string compares as unsigned bytes.
  std::sort(names.begin(), names.end(), [](const Name& a, const Name& b) { return a.bytes < b.bytes; });
  // A name that is removed and made again while the directory is read may come twice.
  const auto is_same = [](const Name& a, const Name& b) { return a.bytes == b.bytes; };
  names.erase(std::unique(names.begin(), names.end(), is_same), names.end());
  XattrReader xattrs(fd);
  xattrs.read(SELF, "", listing.self.dev, listing.xattrs);
  listing.stats.reserve(names.size());
  for (size_t i = 0; i < names.size(); i++) {
    if (i % LOOKS_BETWEEN_CHECKS == 0) cancel.check();
    const Name& name = names[i];
    if (name.stat.error == 0) {
      xattrs.read(static_cast<uint32_t>(i), name.bytes.c_str(), name.stat.dev, listing.xattrs);
    }
    listing.stats.push_back(name.stat);
    listing.name_offsets.push_back(static_cast<uint32_t>(listing.names.size()));
    listing.linkname_offsets.push_back(static_cast<uint32_t>(listing.linknames.size()));
    listing.names.append(name.bytes.c_str(), name.bytes.size() + 1);
    listing.linknames.append(name.target.c_str(), name.target.size() + 1);
  }
  listing.name_offsets.push_back(static_cast<uint32_t>(listing.names.size()));
  listing.linkname_offsets.push_back(static_cast<uint32_t>(listing.linknames.size()));
  for (size_t captured = 0; captured < capture.names.size(); captured++) {
    const std::string& name = capture.names[captured];
    const auto found = std::lower_bound(names.begin(), names.end(), name,
                                        [](const Name& a, const std::string& bytes) { return a.bytes < bytes; });
    const size_t i = static_cast<size_t>(found - names.begin());
    uint8_t type = TYPE_UNKNOWN;
    if (found != names.end() && found->bytes == name) type = listing.stats[i].type;
    std::optional<RawBytes> bytes;
    int error = 0;
    if (type == TYPE_FILE) bytes = capture_file(fd, name.c_str(), capture.max_bytes, listing.stats[i]);
    if (type == TYPE_SYMLINK && captured < capture.follow) {
      bytes = capture_link(fd, name.c_str(), capture.max_bytes, error);
    }
    if (error != 0) {
      XattrReader::append_error(static_cast<uint32_t>(i), XattrReader::Part::ignore_file, error, listing.xattrs);
    }
    listing.captured.push_back(std::move(bytes));
  }
  return listing;
}

}  // namespace ibt
