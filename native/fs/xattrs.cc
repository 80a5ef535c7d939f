#include "xattrs.h"

namespace ibt {
namespace {

void append_record(uint32_t index, const std::string& name, const std::string& value, size_t value_bytes,
                   RawBytes& out) {
  const uint32_t head[] = {index, static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value_bytes)};
  out.append(head, sizeof head);
  out.append(name.data(), name.size());
  out.append(value.data(), value_bytes);
}

}  // namespace

void XattrReader::append_error(uint32_t index, Part part, int error, RawBytes& out) {
  const int32_t value[] = {static_cast<int32_t>(part), static_cast<int32_t>(error)};
  append_record(index, "", std::string(reinterpret_cast<const char*>(value), sizeof value), sizeof value, out);
}

}  // namespace ibt

#ifdef __linux__
#include <errno.h>
#include <sched.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace ibt {
namespace {

constexpr size_t NAMES_BYTES = 1024;
constexpr size_t VALUE_BYTES = 256;
// More than the kernel gives.
constexpr size_t ATTRIBUTE_BYTES_MAX = 1 << 20;

bool is_absent(int error) { return error == ENODATA || error == ENOENT || error == EACCES || error == EPERM; }

bool is_unsupported(int error) { return error == EOPNOTSUPP || error == ENOSYS; }

// Whether this thread has a current directory of its own: it can go where it reads without taking others along.
bool has_own_directory() {
  static thread_local const bool has = unshare(CLONE_FS) == 0;
  return has;
}

// Calls `get(buffer, size)` with larger buffers until what it returns fits. A negative errno if it fails.
template <class Get>
ssize_t read_grown(std::string& buffer, size_t room, const Get& get) {
  buffer.resize(room);
  for (;;) {
    const ssize_t length = get(&buffer[0], buffer.size());
    if (length >= 0) return length;
    if (errno != ERANGE) return -errno;
    if (buffer.size() > ATTRIBUTE_BYTES_MAX) return -E2BIG;
    buffer.resize(buffer.size() * 4);
  }
}

}  // namespace

// There is no listxattrat before Linux 6.13. The name that a descriptor has in /proc takes four times as long.
XattrReader::XattrReader(int directory) : is_inside_(has_own_directory() && fchdir(directory) == 0) {
  if (!is_inside_) prefix_ = "/proc/self/fd/" + std::to_string(directory) + "/";
}

// A thread that stays in a directory keeps its file system from being unmounted.
XattrReader::~XattrReader() {
  if (is_inside_ && chdir("/") != 0) is_inside_ = false;
}

void XattrReader::read(uint32_t index, const char* name, uint64_t dev, RawBytes& out) {
  if (knows_unsupported_ && dev == unsupported_dev_) return;
  const bool is_self = *name == '\0';
  const int error = read_all(index, prefix_ + (is_self ? "." : name), out);
  if (is_unsupported(error)) {
    if (!is_self) return;
    knows_unsupported_ = true;
    unsupported_dev_ = dev;
  } else if (error != 0 && !is_absent(error)) {
    append_error(index, Part::attributes, error, out);
  }
}

// Returns what kept some of them from being read, or 0.
int XattrReader::read_all(uint32_t index, const std::string& path, RawBytes& out) {
  std::string names;
  const ssize_t names_bytes = read_grown(
      names, NAMES_BYTES, [&](char* buffer, size_t size) { return llistxattr(path.c_str(), buffer, size); });
  if (names_bytes < 0) return static_cast<int>(-names_bytes);
  const size_t before = out.size();
  int failed = 0;
  std::string value;
  for (size_t at = 0; at < static_cast<size_t>(names_bytes);) {
    const std::string attribute = names.c_str() + at;
    at += attribute.size() + 1;
    const ssize_t value_bytes = read_grown(value, VALUE_BYTES, [&](char* buffer, size_t size) {
      return lgetxattr(path.c_str(), attribute.c_str(), buffer, size);
    });
    const int error = value_bytes < 0 ? static_cast<int>(-value_bytes) : 0;
    if (error != 0) {
      if (!is_absent(error) && !is_unsupported(error)) failed = error;
      continue;
    }
    if (out.size() - before + attribute.size() + static_cast<size_t>(value_bytes) > ENTRY_BYTES_MAX) return E2BIG;
    append_record(index, attribute, value, static_cast<size_t>(value_bytes), out);
  }
  return failed;
}

}  // namespace ibt
#else
namespace ibt {

XattrReader::XattrReader(int) {}
XattrReader::~XattrReader() = default;
void XattrReader::read(uint32_t, const char*, uint64_t, RawBytes&) {}

}  // namespace ibt
#endif
