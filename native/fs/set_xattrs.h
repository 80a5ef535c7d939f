#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace ibt {

// What has attributes: an open file, or a path of which the last part is not followed if it is a link.
struct XattrTarget {
  int fd = -1;
  std::string path;

  static XattrTarget beside(int directory, const std::string& name);
};

// Extended attributes as src/content/operations.ts encodes them: a uint32 count, then for each two uint32, bytes of its
// name, bytes of its value, and both. Empty: they are left as they are.
struct XattrList {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// Makes the attributes those of the list; writes none that is right already. What is not in the list is removed, but for
// labels that the system gives by itself (security.*, though not security.capability). Without its owner a file does not
// get capabilities. Returns the first errno. Source: xattr(7).
int set_xattrs(const XattrTarget& target, XattrList list, bool has_its_owner);

}  // namespace ibt
