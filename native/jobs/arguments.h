// Arguments from JavaScript. Numbers are read before pointers: nothing may run between taking a pointer and its use.
#pragma once
#include <napi.h>

#include <cstring>
#include <string>
#include <vector>

#include "../fs/beneath.h"
#include "../fs/cancel.h"
#include "../fs/fd.h"
#include "start.h"

namespace ibt {

// The largest count of things, and Number.MAX_SAFE_INTEGER.
constexpr double COUNT_MAX = 0x7fffffff;
constexpr double SAFE_MAX = 9007199254740991.0;
// A cancelled job stops after one step.
constexpr size_t STEP_BYTES = 1 << 20;

// What JavaScript aborts a job with.
struct Canceller {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x63616e63656c0001};
  std::shared_ptr<CancelToken> token;
};

// An integer within the bounds. Throws TypeError and RangeError.
double integer(const Napi::CallbackInfo& info, size_t index, const char* name, double min, double max);
// A number that is not NaN, also infinite.
double number(const Napi::CallbackInfo& info, size_t index, const char* name);
int descriptor(const Napi::CallbackInfo& info, size_t index, const char* name);
// A descriptor of the job's own for the same file: the caller may close theirs, also while an aborted job still runs.
// -1 if there is none to be had, as for a closed one: the job then fails with EBADF.
Fd own_descriptor(int fd);

// The elements of a typed array, for calls that are done with them before JavaScript runs again. Refuses detached and
// shared memory. Runs no JavaScript.
Span view(Napi::Value value, const char* name, napi_typedarray_type type);
// The elements of a typed array. Refuses detached, resizable and shared memory. With `held` they last as long as that;
// else until JavaScript runs again.
Span typed(Napi::Value value, const char* name, napi_typedarray_type type, Held* held);
Span bytes(const Napi::CallbackInfo& info, size_t index, const char* name, Held* held);
// Bytes to write to.
Room room(const Napi::CallbackInfo& info, size_t index, const char* name);
std::string string_of(Span span);
std::string byte_string(const Napi::CallbackInfo& info, size_t index, const char* name);
// A name, or a descriptor that stays the caller's.
Root root_of(const Napi::CallbackInfo& info, size_t index);
// A column of what a job is given, copied: JavaScript could change it while the job runs. Throws RangeError unless it has
// `count` elements.
template <class T>
std::vector<T> column(const Napi::CallbackInfo& info, size_t index, const char* name, napi_typedarray_type type,
                      size_t count) {
  const Span span = typed(info[index], name, type, nullptr);
  if (span.size != count * sizeof(T)) {
    throw Napi::RangeError::New(info.Env(), std::string(name) + " does not have " + std::to_string(count) +
                                                " elements");
  }
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), span.data, span.size);
  return values;
}
// Strings that end in NUL each, exactly `count` of them.
std::vector<std::string> strings(Napi::Env env, Span span, size_t count, const char* name);

// The last argument of a job: a Canceller or undefined.
std::shared_ptr<CancelToken> token(const Napi::CallbackInfo& info, size_t index);

}  // namespace ibt
