#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ibt {

// What has attributes: an open file, or a path of which the last part is not followed if it is a link.
struct XattrTarget {
  int fd = -1;
  std::string path;

  static XattrTarget beside(int directory, const std::string& name);
};

// Extended attributes as src/native/xattrs.ts encodes them: a uint32 count, then for each two uint32, bytes of its
// name, bytes of its value, and both. Empty: they are left as they are.
struct XattrList {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// An attribute that could not be set or removed, and why; without a name: they could not be listed.
struct FailedXattr {
  std::string name;
  int error;
};

// Makes the attributes those of the list; writes none that is right already. What is not in the list is removed, but for
// labels that the system gives by itself (security.*, though not security.capability). `with_capabilities`: false where
// the file does not have its owner. Returns those that failed; EINVAL without a name for a list that is cut off.
// Source: xattr(7).
std::vector<FailedXattr> set_xattrs(const XattrTarget& target, XattrList list, bool with_capabilities);

// Whether the list has capabilities, which run a program with rights that its user does not have.
bool has_capabilities(XattrList list);

}  // namespace ibt
