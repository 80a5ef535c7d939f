#pragma once
#include <cstdint>
#include <string>

#include "raw_bytes.h"

namespace ibt {

// Appends the extended attributes of what `name` is in an open directory, links not followed; an empty name is the
// directory itself. Each is a record of three uint32, `index`, bytes of its name, bytes of its value, and both. A record
// without a name says what of the entry could not be read, and why: its value is two int32, a `Part` and the system's
// error.
// Source: xattr(7). src/native/xattrs.ts reads them.
class XattrReader {
 public:
  enum class Part : int32_t { attributes = 0, ignore_file = 1 };
  static void append_error(uint32_t index, Part part, int error, RawBytes& out);

  explicit XattrReader(int directory);
  ~XattrReader();
  XattrReader(const XattrReader&) = delete;
  XattrReader& operator=(const XattrReader&) = delete;

  // `dev`: of the entry; the directory itself comes first, and if its file system has no attributes, none is asked for
  // them. What the user may not read is left out, for the content will say so. Above `ENTRY_BYTES_MAX` of one entry the
  // rest is left out, and the error is E2BIG.
  void read(uint32_t index, const char* name, uint64_t dev, RawBytes& out);

 private:
  static constexpr size_t ENTRY_BYTES_MAX = 4 << 20;

  int read_all(uint32_t index, const std::string& path, RawBytes& out);

  std::string prefix_;
  bool is_inside_ = false;
  bool knows_unsupported_ = false;
  uint64_t unsupported_dev_ = 0;
};

}  // namespace ibt
