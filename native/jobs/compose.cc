#include "../fs/compose.h"

#include "arguments.h"
#include "engine_jobs.h"
#include "results.h"

namespace ibt {

// (deltaFds, outFd, token)
Napi::Value compose_files_job(const Napi::CallbackInfo& info) {
  Fd out = own_descriptor(descriptor(info, 1, "outFd"));
  auto stop = token(info, 2);
  const Span fds = typed(info[0], "deltaFds", napi_int32_array, nullptr);
  std::vector<Fd> deltas;
  for (size_t at = 0; at < fds.size; at += sizeof(int32_t)) {
    int32_t fd;
    std::memcpy(&fd, fds.data + at, sizeof fd);
    deltas.push_back(own_descriptor(fd));
  }
  const size_t threads = Runtime::of(info.Env()).threads_for_job();
  return start(
      info.Env(), std::move(stop), {},
      [deltas = std::move(deltas), out = std::move(out), threads](const CancelToken& cancel) {
        return compose_files(deltas, out.get(), threads, cancel);
      },
      stats_to_js);
}

// (deltas, maxBytes, token)
Napi::Value compose_bytes_job(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint64_t max = static_cast<uint64_t>(integer(info, 1, "maxBytes", 0, SAFE_MAX));
  auto stop = token(info, 2);
  if (!info[0].IsArray()) throw Napi::TypeError::New(env, "deltas is not an array");
  const Napi::Array array = info[0].As<Napi::Array>();
  std::vector<Napi::Value> values;
  for (uint32_t i = 0; i < array.Length(); i++) values.push_back(array.Get(i));
  Held held;
  std::vector<ByteRange> deltas;
  for (const Napi::Value& value : values) {
    const Span delta = typed(value, "deltas", napi_uint8_array, &held);
    deltas.push_back({delta.data, delta.size});
  }
  return start(
      env, std::move(stop), std::move(held),
      [deltas = std::move(deltas), max](const CancelToken& cancel) { return compose_bytes(deltas, max, cancel); },
      [](Napi::Env env, RawBytes& out) { return to_buffer(env, std::move(out)); });
}

}  // namespace ibt
