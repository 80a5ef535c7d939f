#include "tree.h"

#include <algorithm>

#include "beneath.h"
#include "system_error.h"

namespace ibt {
namespace {

// Each level holds a descriptor.
constexpr int DEPTH_MAX = 32;
// Attributes of one tree above this: nothing below it comes along any more.
constexpr size_t XATTRS_BYTES_MAX = 16 << 20;

class TreeLister {
 public:
  TreeLister(const Capture& capture, size_t below_entries, const CancelToken& cancel)
      : capture_(capture), below_entries_(below_entries), cancel_(cancel) {}

  ListedTree tree;

  bool has_room() const {
    return below_entries_ == 0 || (entries_ < below_entries_ && xattrs_bytes_ < XATTRS_BYTES_MAX);
  }

  // Throws SystemError if the directory itself cannot be listed.
  void add(Fd&& fd, int32_t parent, int32_t entry, int depth) {
    OpenDirectory directory(std::move(fd));
    DirectoryListing listed = directory.list(capture_, cancel_);
    entries_ += listed.stats.size();
    xattrs_bytes_ += listed.xattrs.size();
    const auto place = static_cast<int32_t>(tree.directories.size());
    const bool has_captured = std::any_of(listed.captured.begin(), listed.captured.end(),
                                          [](const std::optional<RawBytes>& file) { return file.has_value(); });
    tree.directories.push_back({std::move(listed), parent, entry});
    if (below_entries_ > 0 && !has_captured && depth < DEPTH_MAX) add_below(directory.fd(), place, depth + 1);
  }

 private:
  void add_below(int fd, int32_t place, int depth) {
    const size_t count = tree.directories[static_cast<size_t>(place)].listing.stats.size();
    size_t name_at = 0;
    for (size_t i = 0; i < count && has_room(); i++) {
      // Taken anew: what is added moves it.
      const DirectoryListing& listing = tree.directories[static_cast<size_t>(place)].listing;
      const std::string name(reinterpret_cast<const char*>(listing.names.data()) + name_at);
      name_at += name.size() + 1;
      const FileStat& stat = listing.stats[i];
      if (stat.type != TYPE_DIRECTORY || stat.error != 0 || stat.dev != listing.self.dev) continue;
      Fd child(open_to_read(fd, name.c_str(), O_DIRECTORY));
      if (child.get() < 0) continue;
      try {
        add(std::move(child), place, static_cast<int32_t>(i), depth);
      } catch (const SystemError&) {
        // Who asks for it by itself is told why.
      }
    }
  }

  const Capture& capture_;
  const size_t below_entries_;
  const CancelToken& cancel_;
  size_t entries_ = 0;
  size_t xattrs_bytes_ = 0;
};

}  // namespace

ListedTree list_trees(int root, const std::vector<std::string>& paths, const Capture& capture,
                      size_t below_entries, const CancelToken& cancel) {
  TreeLister lister(capture, below_entries, cancel);
  for (const std::string& path : paths) {
    ListedTree::Failure failure;
    auto start = static_cast<int32_t>(lister.tree.directories.size());
    if (start > 0 && !lister.has_room()) start = ListedTree::NOT_REACHED;
    else {
      try {
        const int fd = open_beneath_to_read(root, path, O_DIRECTORY);
        if (fd < 0) throw SystemError{-fd, "open", SystemError::What::read};
        lister.add(Fd(fd), -1, -1, 0);
      } catch (const SystemError& error) {
        start = ListedTree::FAILED;
        failure = {error.number, error.syscall};
      }
    }
    lister.tree.starts.push_back(start);
    lister.tree.failures.push_back(failure);
  }
  return std::move(lister.tree);
}

}  // namespace ibt
