#include "results.h"

namespace ibt {
namespace {

// Below this a copy costs less than memory with a finalizer.
constexpr size_t COPY_MAX_BYTES = 16384;

template <class Array, class T>
Napi::Value to_typed_array(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

}  // namespace

Napi::Value stats_to_js(Napi::Env env, const JobStats& stats) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("inBytes", Napi::Number::New(env, static_cast<double>(stats.in_bytes)));
  result.Set("outBytes", Napi::Number::New(env, static_cast<double>(stats.out_bytes)));
  return result;
}

Napi::Value to_buffer(Napi::Env env, RawBytes&& bytes) {
  if (bytes.size() <= COPY_MAX_BYTES) return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
  bytes.shrink();
  const size_t size = bytes.size();
  return Napi::Buffer<uint8_t>::NewOrCopy(env, bytes.release(), size,
                                          [](Napi::Env, uint8_t* data) { std::free(data); });
}

Napi::Value to_buffer(Napi::Env env, Bytes&& bytes) {
  if (bytes.size() <= COPY_MAX_BYTES) return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
  if (bytes.capacity() - bytes.size() > bytes.size() / 8) bytes.shrink_to_fit();
  auto* kept = new Bytes(std::move(bytes));
  return Napi::Buffer<uint8_t>::NewOrCopy(
      env, kept->data(), kept->size(), [](Napi::Env, uint8_t*, Bytes* hint) { delete hint; }, kept);
}

Napi::Value to_array_buffer(Napi::Env env, const RawBytes& bytes) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes.size());
  if (bytes.size() > 0) std::memcpy(buffer.Data(), bytes.data(), bytes.size());
  return buffer;
}

Napi::Value to_float64_array(Napi::Env env, const std::vector<double>& values) {
  return to_typed_array<Napi::Float64Array>(env, values);
}

Napi::Value to_uint8_array(Napi::Env env, const std::vector<uint8_t>& values) {
  return to_typed_array<Napi::Uint8Array>(env, values);
}

Napi::Value to_uint32_array(Napi::Env env, const std::vector<uint32_t>& values) {
  return to_typed_array<Napi::Uint32Array>(env, values);
}

Napi::Value to_int32_array(Napi::Env env, const std::vector<int32_t>& values) {
  return to_typed_array<Napi::Int32Array>(env, values);
}

}  // namespace ibt
