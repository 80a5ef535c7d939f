// Several directories, and what is below them, in one go.
#pragma once
#include <string>
#include <vector>

#include "directory.h"

namespace ibt {

struct ListedTree {
  struct Directory {
    DirectoryListing listing;
    // The listing that it is an entry of, and which; -1 for a directory that was asked for.
    int32_t parent;
    int32_t entry;
  };
  enum Start : int32_t { FAILED = -1, NOT_REACHED = -2 };
  struct Failure {
    int error = 0;
    const char* syscall = "";
  };

  // A directory comes directly before what is below it.
  std::vector<Directory> directories;
  // For each path that was asked for: its place in `directories`, or a `Start`, and why it failed.
  std::vector<int32_t> starts;
  std::vector<Failure> failures;
};

// Lists the directories of these paths, and those below them in depth-first order, for as long as there are fewer than
// `below_entries` entries; the first path is listed in any case, and with 0 every path, but none below. Not descended is
// from a directory with a captured file, to another device, and to what cannot be listed.
ListedTree list_trees(int root, const std::vector<std::string>& paths, const Capture& capture,
                      size_t below_entries, const CancelToken& cancel);

}  // namespace ibt
