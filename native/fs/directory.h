#pragma once
#include <dirent.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "beneath.h"
#include "cancel.h"
#include "fd.h"
#include "raw_bytes.h"
#include "stat.h"

namespace ibt {

constexpr uint32_t SELF = 0xffffffff;

struct DirectoryListing {
  std::vector<FileStat> stats;
  // Each ended by NUL; `…_offsets` say where they begin, and where the last ends.
  RawBytes names;
  RawBytes linknames;
  std::vector<uint32_t> name_offsets;
  std::vector<uint32_t> linkname_offsets;
  // Records of `XattrReader`, also of what could not be read; `SELF` is the directory itself.
  RawBytes xattrs;
  std::vector<std::optional<RawBytes>> captured;
  FileStat self;
};

// Regular files whose first bytes come along with a listing; one that cannot be read has its error in `stats`.
struct Capture {
  std::vector<std::string> names;
  size_t max_bytes = 0;
  // So many of the first names may also be links to regular files, wherever these lie.
  size_t follow = 0;
};

class OpenDirectory {
 public:
  // Takes over what was opened to read, with O_DIRECTORY. Throws SystemError.
  explicit OpenDirectory(Fd&& fd);

  int fd() const { return fd_; }
  // Once: names in bytewise order, metadata, link targets, attributes. Throws SystemError if it cannot be read itself.
  DirectoryListing list(const Capture& capture, const CancelToken& cancel);

 private:
  struct Close {
    void operator()(DIR* directory) const { closedir(directory); }
  };
  const int fd_;
  FileStat self_;
  std::unique_ptr<DIR, Close> directory_;
};

}  // namespace ibt
