#pragma once
#include <cstdint>
#include <string>

#include "raw_bytes.h"

namespace ibt {

// Appends the extended attributes of what `name` is in an open directory, links not followed; an empty name is the
// directory itself. Each is a record of three uint32, `index`, bytes of its name, bytes of its value, and both.
// Source: xattr(7). src/native/xattrs.ts reads them.
class XattrReader {
 public:
  explicit XattrReader(int directory);
  ~XattrReader();
  XattrReader(const XattrReader&) = delete;
  XattrReader& operator=(const XattrReader&) = delete;

  // `dev`: of the entry; a file system without attributes is asked once. Returns 0, or the error that kept an attribute
  // from being read; what the user may not read is left out, for the content will say so.
  int read(uint32_t index, const char* name, uint64_t dev, RawBytes& out);

 private:
  std::string prefix_;
  bool is_inside_ = false;
  bool knows_unsupported_ = false;
  uint64_t unsupported_dev_ = 0;
};

}  // namespace ibt
