#include "owners.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <vector>

namespace ibt {
namespace {

constexpr size_t RECORD_BYTES = 4096;
constexpr size_t RECORD_BYTES_MAX = 1 << 20;

// Calls one of the get…_r functions with as much memory as it asks for. Null if there is no such record.
template <class Record, class Key>
const Record* look_up(int (*get)(Key, Record*, char*, size_t, Record**), Key key, Record& record,
                      std::vector<char>& memory) {
  for (size_t size = RECORD_BYTES; size <= RECORD_BYTES_MAX; size *= 2) {
    memory.resize(size);
    Record* found = nullptr;
    const int error = get(key, &record, memory.data(), memory.size(), &found);
    if (error == 0) return found;
    if (error != ERANGE && error != EINTR) return nullptr;
  }
  return nullptr;
}

}  // namespace

std::optional<std::string> user_name_of(uid_t uid) {
  struct passwd record;
  std::vector<char> memory;
  const auto* found = look_up(getpwuid_r, uid, record, memory);
  return found == nullptr ? std::nullopt : std::optional<std::string>(found->pw_name);
}

std::optional<std::string> group_name_of(gid_t gid) {
  struct group record;
  std::vector<char> memory;
  const auto* found = look_up(getgrgid_r, gid, record, memory);
  return found == nullptr ? std::nullopt : std::optional<std::string>(found->gr_name);
}

std::optional<uid_t> user_id_of(const std::string& name) {
  struct passwd record;
  std::vector<char> memory;
  const auto* found = look_up(getpwnam_r, name.c_str(), record, memory);
  return found == nullptr ? std::nullopt : std::optional<uid_t>(found->pw_uid);
}

std::optional<gid_t> group_id_of(const std::string& name) {
  struct group record;
  std::vector<char> memory;
  const auto* found = look_up(getgrnam_r, name.c_str(), record, memory);
  return found == nullptr ? std::nullopt : std::optional<gid_t>(found->gr_gid);
}

const OwnerNames::Names& OwnerNames::find(uid_t uid, gid_t gid) {
  const uint64_t key = static_cast<uint64_t>(uid) << 32 | gid;
  const auto found = known_.find(key);
  return found != known_.end() ? found->second : known_.emplace(key, Names{user_name_of(uid), group_name_of(gid)}).first->second;
}

}  // namespace ibt
