#include "set_xattrs.h"

#ifdef __linux__
#include <errno.h>
#include <sys/xattr.h>

#include <cstring>
#include <map>

namespace ibt {
namespace {

constexpr const char* CAPABILITY = "security.capability";
constexpr size_t LISTED_NAMES_BYTES = 1024;

using Attributes = std::map<std::string, std::string>;

bool take_uint32(XattrList& list, uint32_t& value) {
  if (list.size < sizeof value) return false;
  std::memcpy(&value, list.data, sizeof value);
  list.data += sizeof value;
  list.size -= sizeof value;
  return true;
}

bool take_string(XattrList& list, uint32_t length, std::string& value) {
  if (list.size < length) return false;
  value.assign(reinterpret_cast<const char*>(list.data), length);
  list.data += length;
  list.size -= length;
  return true;
}

// False if the list is cut off.
bool decode(XattrList list, Attributes& wanted) {
  uint32_t count = 0;
  if (!take_uint32(list, count)) return false;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t name_bytes = 0;
    uint32_t value_bytes = 0;
    std::string name;
    std::string value;
    if (!take_uint32(list, name_bytes) || !take_uint32(list, value_bytes)) return false;
    if (!take_string(list, name_bytes, name) || !take_string(list, value_bytes, value)) return false;
    wanted[name] = value;
  }
  return true;
}

ssize_t list_names(const XattrTarget& target, char* buffer, size_t size) {
  return target.fd >= 0 ? flistxattr(target.fd, buffer, size) : llistxattr(target.path.c_str(), buffer, size);
}

ssize_t get(const XattrTarget& target, const char* name, char* buffer, size_t size) {
  return target.fd >= 0 ? fgetxattr(target.fd, name, buffer, size)
                        : lgetxattr(target.path.c_str(), name, buffer, size);
}

int set(const XattrTarget& target, const char* name, const std::string& value) {
  const int result = target.fd >= 0 ? fsetxattr(target.fd, name, value.data(), value.size(), 0)
                                    : lsetxattr(target.path.c_str(), name, value.data(), value.size(), 0);
  return result == 0 ? 0 : errno;
}

int remove(const XattrTarget& target, const char* name) {
  const int result = target.fd >= 0 ? fremovexattr(target.fd, name) : lremovexattr(target.path.c_str(), name);
  return result == 0 || errno == ENODATA ? 0 : errno;
}

bool has_value(const XattrTarget& target, const char* name, const std::string& value) {
  // One byte more, so that a longer value does not look equal.
  std::string found(value.size() + 1, '\0');
  const ssize_t length = get(target, name, &found[0], found.size());
  return length >= 0 && static_cast<size_t>(length) == value.size() && found.compare(0, value.size(), value) == 0;
}

// What the backup would hold if the entry had it. Labels are the system's affair.
bool is_ours(const std::string& name) {
  const auto starts_with = [&](const char* prefix) { return name.compare(0, std::strlen(prefix), prefix) == 0; };
  return starts_with("user.") || starts_with("trusted.") || starts_with("system.posix_acl_") || name == CAPABILITY;
}

void remove_others(const XattrTarget& target, const Attributes& wanted, std::vector<FailedXattr>& failed) {
  std::string names(LISTED_NAMES_BYTES, '\0');
  ssize_t length;
  while ((length = list_names(target, &names[0], names.size())) < 0 && errno == ERANGE) names.resize(names.size() * 4);
  if (length < 0) {
    // Where there can be none, there is none to remove.
    if (errno != EOPNOTSUPP && errno != ENOSYS && !wanted.empty()) failed.push_back({"", errno});
    return;
  }
  for (size_t at = 0; at < static_cast<size_t>(length);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (!is_ours(name) || wanted.count(name) != 0) continue;
    const int error = remove(target, name.c_str());
    if (error != 0) failed.push_back({name, error});
  }
}

}  // namespace

// There is no lsetxattrat before Linux 6.13.
XattrTarget XattrTarget::beside(int directory, const std::string& name) {
  return {-1, "/proc/self/fd/" + std::to_string(directory) + "/" + name};
}

std::vector<FailedXattr> set_xattrs(const XattrTarget& target, XattrList list, bool with_capabilities) {
  std::vector<FailedXattr> failed;
  if (list.size == 0) return failed;
  Attributes wanted;
  if (!decode(list, wanted)) return {{"", EINVAL}};
  if (!with_capabilities) wanted.erase(CAPABILITY);
  remove_others(target, wanted, failed);
  for (const auto& [name, value] : wanted) {
    if (has_value(target, name.c_str(), value)) continue;
    const int error = set(target, name.c_str(), value);
    if (error != 0) failed.push_back({name, error});
  }
  return failed;
}

bool has_capabilities(XattrList list) {
  Attributes wanted;
  return list.size > sizeof(uint32_t) && decode(list, wanted) && wanted.count(CAPABILITY) != 0;
}

}  // namespace ibt
#else
#include <errno.h>

namespace ibt {

XattrTarget XattrTarget::beside(int, const std::string&) { return {}; }

std::vector<FailedXattr> set_xattrs(const XattrTarget&, XattrList list, bool) {
  // More than a count of zero.
  if (list.size > sizeof(uint32_t)) return {{"", ENOTSUP}};
  return {};
}

bool has_capabilities(XattrList) { return false; }

}  // namespace ibt
#endif
