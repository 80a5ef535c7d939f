#include "arguments.h"

#include <fcntl.h>

#include <cmath>

#include "wrapped.h"

namespace ibt {
namespace {

Napi::Error type_error(Napi::Env env, const char* name, const std::string& expected) {
  return Napi::TypeError::New(env, std::string(name) + " is not " + expected);
}

size_t element_bytes(napi_typedarray_type type) {
  switch (type) {
    case napi_uint32_array:
    case napi_int32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 1;
  }
}

const char* type_name(napi_typedarray_type type) {
  switch (type) {
    case napi_uint32_array:
      return "a Uint32Array";
    case napi_int32_array:
      return "an Int32Array";
    case napi_float64_array:
      return "a Float64Array";
    case napi_bigint64_array:
      return "a BigInt64Array";
    default:
      return "a Uint8Array";
  }
}

struct Elements {
  Span span;
  Napi::ArrayBuffer buffer;
};

Elements elements(Napi::Value value, const char* name, napi_typedarray_type type) {
  const Napi::Env env = value.Env();
  napi_typedarray_type actual = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  napi_value found = nullptr;
  if (napi_get_typedarray_info(env, value, &actual, &length, &data, &found, nullptr) != napi_ok || actual != type) {
    throw type_error(env, name, type_name(type));
  }
  const Napi::Value memory(env, found);
  // A SharedArrayBuffer is no ArrayBuffer.
  if (!memory.IsArrayBuffer()) throw type_error(env, name, "over an ArrayBuffer");
  const auto buffer = memory.As<Napi::ArrayBuffer>();
  if (buffer.IsDetached()) throw type_error(env, name, "usable: its memory was transferred");
  return {{static_cast<const uint8_t*>(data), length * element_bytes(type)}, buffer};
}

}  // namespace

double number(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsNumber()) throw type_error(info.Env(), name, "a number");
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (std::isnan(value)) throw Napi::RangeError::New(info.Env(), std::string(name) + " is NaN");
  return value;
}

double integer(const Napi::CallbackInfo& info, size_t index, const char* name, double min, double max) {
  const double value = number(info, index, name);
  if (value != std::trunc(value) || value < min || value > max) {
    throw Napi::RangeError::New(info.Env(), std::string(name) + " is not an integer from " +
                                                std::to_string(static_cast<int64_t>(min)) + " to " +
                                                std::to_string(static_cast<int64_t>(max)));
  }
  return value;
}

int descriptor(const Napi::CallbackInfo& info, size_t index, const char* name) {
  return static_cast<int>(integer(info, index, name, 0, 0x7fffffff));
}

Fd own_descriptor(int fd) { return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

Span view(Napi::Value value, const char* name, napi_typedarray_type type) { return elements(value, name, type).span; }

Span typed(Napi::Value value, const char* name, napi_typedarray_type type, Held* held) {
  const Napi::ArrayBuffer buffer = elements(value, name, type).buffer;
  if (buffer.Get("resizable").ToBoolean()) {
    throw type_error(value.Env(), name, "usable: its memory is resizable");
  }
  // Looking at the buffer may have run JavaScript: what counts is what is there now.
  const Span span = view(value, name, type);
  return held == nullptr ? span : held->keep(span);
}

Span bytes(const Napi::CallbackInfo& info, size_t index, const char* name, Held* held) {
  return typed(info[index], name, napi_uint8_array, held);
}

Room room(const Napi::CallbackInfo& info, size_t index, const char* name) {
  typed(info[index], name, napi_uint8_array, nullptr);
  return Room(info[index].As<Napi::TypedArray>());
}

std::string string_of(Span span) {
  return span.size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(span.data), span.size);
}

std::string byte_string(const Napi::CallbackInfo& info, size_t index, const char* name) {
  return string_of(bytes(info, index, name, nullptr));
}

Root root_of(const Napi::CallbackInfo& info, size_t index) {
  if (info[index].IsNumber()) return Root(own_descriptor(descriptor(info, index, "root")));
  return Root(byte_string(info, index, "root"));
}

std::vector<std::string> strings(Napi::Env env, Span span, size_t count, const char* name) {
  std::vector<std::string> found;
  const char* at = reinterpret_cast<const char*>(span.data);
  const char* end = at + span.size;
  while (at != end) {
    const void* nul = std::memchr(at, 0, static_cast<size_t>(end - at));
    if (nul == nullptr) break;
    const char* stop = static_cast<const char*>(nul);
    found.emplace_back(at, stop);
    at = stop + 1;
  }
  if (at != end || found.size() != count) {
    throw Napi::RangeError::New(env, std::string(name) + " does not hold " + std::to_string(count) +
                                         " strings that end in NUL");
  }
  return found;
}

std::shared_ptr<CancelToken> token(const Napi::CallbackInfo& info, size_t index) {
  if (info[index].IsUndefined()) return std::make_shared<CancelToken>();
  return Wrapped<Canceller>::get(info.Env(), info[index], "token")->token;
}

}  // namespace ibt
