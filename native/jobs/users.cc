#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <vector>

#include "arguments.h"
#include "fs_jobs.h"

namespace ibt {
namespace {

constexpr size_t RECORD_BYTES = 4096;
constexpr size_t RECORD_BYTES_MAX = 1 << 20;
constexpr double ID_MAX = 4294967295.0;

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

std::string name_argument(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "name is not a string");
  return info[0].As<Napi::String>().Utf8Value();
}

template <class Id>
Id id_argument(const Napi::CallbackInfo& info) {
  return static_cast<Id>(integer(info, 0, "id", 0, ID_MAX));
}

}  // namespace

Napi::Value user_name(const Napi::CallbackInfo& info) {
  struct passwd record;
  std::vector<char> memory;
  const auto* found = look_up(getpwuid_r, id_argument<uid_t>(info), record, memory);
  if (found == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), found->pw_name);
}

Napi::Value group_name(const Napi::CallbackInfo& info) {
  struct group record;
  std::vector<char> memory;
  const auto* found = look_up(getgrgid_r, id_argument<gid_t>(info), record, memory);
  if (found == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), found->gr_name);
}

Napi::Value user_id(const Napi::CallbackInfo& info) {
  struct passwd record;
  std::vector<char> memory;
  const std::string name = name_argument(info);
  const auto* found = look_up(getpwnam_r, name.c_str(), record, memory);
  if (found == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), found->pw_uid);
}

Napi::Value group_id(const Napi::CallbackInfo& info) {
  struct group record;
  std::vector<char> memory;
  const std::string name = name_argument(info);
  const auto* found = look_up(getgrnam_r, name.c_str(), record, memory);
  if (found == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), found->gr_gid);
}

}  // namespace ibt
