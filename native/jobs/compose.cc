#include "../fs/compose.h"

#include "arguments.h"
#include "busy.h"
#include "engine_jobs.h"
#include "results.h"
#include "wrapped.h"

namespace ibt {
namespace {

struct ComposerObject {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x636f6d706f730006};

  std::shared_ptr<CallState> calls = std::make_shared<CallState>();
  ComposedDelta delta;
};

std::shared_ptr<ComposerObject> free_composer(const Napi::CallbackInfo& info) {
  auto composer = Wrapped<ComposerObject>::get(info.Env(), info[0], "composer");
  composer->calls->check_free(info.Env(), "The composer");
  return composer;
}

std::vector<Napi::Value> elements(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsArray()) throw Napi::TypeError::New(info.Env(), "deltas is not an array");
  const Napi::Array array = info[index].As<Napi::Array>();
  std::vector<Napi::Value> values;
  for (uint32_t i = 0; i < array.Length(); i++) values.push_back(array.Get(i));
  return values;
}

// Descriptors, which stay open until the job is settled, or bytes.
std::vector<DeltaPlace> delta_places(const Napi::CallbackInfo& info, size_t index, Held& held) {
  static constexpr uint8_t NONE = 0;
  std::vector<DeltaPlace> places;
  for (const Napi::Value& value : elements(info, index)) {
    if (value.IsNumber()) {
      places.push_back({value.As<Napi::Number>().Int32Value(), {nullptr, 0}});
    } else {
      const Span delta = typed(value, "deltas", napi_uint8_array, &held);
      places.push_back({-1, {delta.data == nullptr ? &NONE : delta.data, delta.size}});
    }
  }
  return places;
}

}  // namespace

// ()
Napi::Value create_composer(const Napi::CallbackInfo& info) {
  return Wrapped<ComposerObject>::make(info.Env(), std::make_shared<ComposerObject>(), sizeof(ComposerObject));
}

// (composer, deltas, maxBytes, token): what it makes comes at once if it has no more bytes
Napi::Value composer_compose_job(const Napi::CallbackInfo& info) {
  auto object = free_composer(info);
  const size_t max = static_cast<size_t>(integer(info, 2, "maxBytes", 0, SAFE_MAX));
  auto stop = token(info, 3);
  Held held;
  auto deltas = delta_places(info, 1, held);
  return start(
      info.Env(), std::move(stop), std::move(held),
      [object, deltas = std::move(deltas), max](const CancelToken& cancel) {
        RawBytes out;
        object->delta.compose(deltas, cancel);
        if (object->delta.size_bytes() <= max) object->delta.pull(deltas, max, out, cancel);
        return out;
      },
      [object, call = Call(object->calls)](Napi::Env env, RawBytes& out) mutable -> Napi::Value {
        call.done();
        const ComposedDelta& delta = object->delta;
        Napi::Object result = Napi::Object::New(env);
        result.Set("sizeBytes", Napi::Number::New(env, static_cast<double>(delta.size_bytes())));
        result.Set("copies", Napi::Number::New(env, static_cast<double>(delta.copies())));
        result.Set("bytes", out.size() == 0 ? env.Undefined() : to_buffer(env, std::move(out)));
        return result;
      });
}

// (composer, deltas, maxBytes, token): null behind the end
Napi::Value composer_pull_job(const Napi::CallbackInfo& info) {
  auto object = free_composer(info);
  const size_t max = static_cast<size_t>(integer(info, 2, "maxBytes", 1, SAFE_MAX));
  auto stop = token(info, 3);
  Held held;
  auto deltas = delta_places(info, 1, held);
  return start(
      info.Env(), std::move(stop), std::move(held),
      [object, deltas = std::move(deltas), max](const CancelToken& cancel) {
        RawBytes out;
        object->delta.pull(deltas, max, out, cancel);
        return out;
      },
      [object, call = Call(object->calls)](Napi::Env env, RawBytes& out) mutable -> Napi::Value {
        call.done();
        return out.size() == 0 ? env.Null() : to_buffer(env, std::move(out));
      });
}

// (composer)
Napi::Value composer_rewind(const Napi::CallbackInfo& info) {
  free_composer(info)->delta.rewind();
  return info.Env().Undefined();
}

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
  Held held;
  std::vector<ByteRange> deltas;
  for (const Napi::Value& value : elements(info, 0)) {
    const Span delta = typed(value, "deltas", napi_uint8_array, &held);
    deltas.push_back({delta.data, delta.size});
  }
  return start(
      env, std::move(stop), std::move(held),
      [deltas = std::move(deltas), max](const CancelToken& cancel) { return compose_bytes(deltas, max, cancel); },
      [](Napi::Env env, RawBytes& out) { return to_buffer(env, std::move(out)); });
}

}  // namespace ibt
