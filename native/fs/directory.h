#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cancel.h"
#include "raw_bytes.h"
#include "stat.h"

namespace ibt {

constexpr uint32_t SELF = 0xffffffff;

struct DirectoryListing {
  std::vector<FileStat> stats;
  RawBytes names;
  RawBytes linknames;
  // Records of `XattrReader`; `SELF` is the directory itself.
  RawBytes xattrs;
  std::vector<std::optional<RawBytes>> captured;
  FileStat self;
};

// Lists a directory below the root: names in bytewise order, metadata, link targets.
// `capture` names regular files whose first `capture_max` bytes come along; one that cannot be read has its error in
// `stats`.
// Throws SystemError if the directory itself cannot be read.
DirectoryListing list_directory(const std::string& root, const std::string& path,
                                const std::vector<std::string>& capture, size_t capture_max,
                                const CancelToken& cancel);

}  // namespace ibt
