#include "../fs/patcher.h"

#include "arguments.h"
#include "busy.h"
#include "engine_jobs.h"
#include "results.h"
#include "wrapped.h"

namespace ibt {
namespace {

struct PatcherObject {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x7061746368650004};

  std::shared_ptr<CallState> calls = std::make_shared<CallState>();
  explicit PatcherObject(size_t cache_bytes) : blocks(cache_bytes) {}
  Patcher patcher;
  // What was given of a basis that is neither a descriptor nor bytes.
  BlockBasis blocks;
  // A copy of what was pushed: the decoder goes on reading it after the call.
  RawBytes delta;
};

std::shared_ptr<PatcherObject> free_patcher(const Napi::CallbackInfo& info) {
  auto patcher = Wrapped<PatcherObject>::get(info.Env(), info[0], "patcher");
  patcher->calls->check_free(info.Env(), "The patcher");
  return patcher;
}

// A descriptor or bytes; null: what was given.
std::unique_ptr<Basis> basis(const Napi::CallbackInfo& info, size_t index, Held& held) {
  if (info[index].IsUndefined()) return nullptr;
  if (info[index].IsNumber()) return std::make_unique<FileBasis>(descriptor(info, index, "basis"));
  const Span span = bytes(info, index, "basis", &held);
  return std::make_unique<MemoryBasis>(span.data, span.size);
}

RawBytes patch_bytes(const Basis& basis, Span delta, double max, const CancelToken& cancel) {
  Patcher patcher;
  RawBytes out;
  patcher.feed(delta.data, delta.size);
  while (!patcher.hungry() && !patcher.ended()) {
    patcher.pull(basis, STEP_BYTES, out, cancel);
    if (static_cast<double>(out.size()) > max) {
      throw EngineError(ErrorKind::delta_corrupt,
                        "Delta makes more than " + std::to_string(static_cast<uint64_t>(max)) + " bytes");
    }
  }
  patcher.finish();
  return out;
}

}  // namespace

// (cacheBytes)
Napi::Value create_patcher(const Napi::CallbackInfo& info) {
  const size_t cache_bytes = static_cast<size_t>(integer(info, 0, "cacheBytes", 0, SAFE_MAX));
  return Wrapped<PatcherObject>::make(info.Env(), std::make_shared<PatcherObject>(cache_bytes), sizeof(PatcherObject));
}

// (patcher, start, bytes)
Napi::Value patcher_give(const Napi::CallbackInfo& info) {
  auto object = free_patcher(info);
  const uint64_t start = static_cast<uint64_t>(integer(info, 1, "start", 0, SAFE_MAX));
  const Span given = bytes(info, 2, "bytes", nullptr);
  object->blocks.add(start, given.data, given.size);
  return info.Env().Undefined();
}

// (patcher): kind, position and length of what comes next; undefined if nothing is needed
Napi::Value patcher_needs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto object = free_patcher(info);
  const auto [kind, position, length] = object->patcher.need(object->blocks);
  if (length == 0) return env.Undefined();
  Napi::Array needs = Napi::Array::New(env, 3);
  needs.Set(0u, Napi::Number::New(env, static_cast<double>(kind)));
  needs.Set(1u, Napi::Number::New(env, static_cast<double>(position)));
  needs.Set(2u, Napi::Number::New(env, static_cast<double>(length)));
  return needs;
}

// (patcher, length)
Napi::Value patcher_skip(const Napi::CallbackInfo& info) {
  auto object = free_patcher(info);
  object->patcher.skip(object->blocks, static_cast<uint64_t>(integer(info, 1, "length", 0, SAFE_MAX)));
  return info.Env().Undefined();
}

// (patcher, delta)
Napi::Value patcher_push(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto object = free_patcher(info);
  const Span delta = bytes(info, 1, "delta", nullptr);
  if (!object->patcher.hungry() && !object->patcher.ended()) {
    throw coded_error(env, "IBT_JOB_BUSY", "The patcher has output: pull until it is empty before the next push");
  }
  object->delta.truncate(0);
  object->delta.append(delta.data, delta.size);
  object->patcher.feed(object->delta.data(), object->delta.size());
  return env.Undefined();
}

// (patcher, basis, maxBytes, token)
Napi::Value patcher_pull_job(const Napi::CallbackInfo& info) {
  auto object = free_patcher(info);
  const size_t max = static_cast<size_t>(integer(info, 2, "maxBytes", 1, SAFE_MAX));
  auto stop = token(info, 3);
  Held held;
  auto from = basis(info, 1, held);
  return start(
      info.Env(), std::move(stop), std::move(held),
      [object, from = std::move(from), max](const CancelToken& cancel) {
        RawBytes out;
        object->patcher.pull(from == nullptr ? object->blocks : *from, max, out, cancel);
        return out;
      },
      [object, call = Call(object->calls)](Napi::Env env, RawBytes& out) mutable -> Napi::Value {
        call.done();
        if (out.size() == 0 && object->patcher.ended()) return env.Null();
        return to_buffer(env, std::move(out));
      });
}

// (patcher)
Napi::Value patcher_end(const Napi::CallbackInfo& info) {
  auto object = free_patcher(info);
  object->patcher.finish();
  return info.Env().Undefined();
}

// (basis, delta, maxBytes, token)
Napi::Value patch_bytes_job(const Napi::CallbackInfo& info) {
  const double max = integer(info, 2, "maxBytes", 0, SAFE_MAX);
  auto stop = token(info, 3);
  Held held;
  const Span from = bytes(info, 0, "basis", &held);
  const Span delta = bytes(info, 1, "delta", &held);
  return start(
      info.Env(), std::move(stop), std::move(held),
      [from, delta, max](const CancelToken& cancel) {
        return patch_bytes(MemoryBasis(from.data, from.size), delta, max, cancel);
      },
      [](Napi::Env env, RawBytes& out) { return to_buffer(env, std::move(out)); });
}

}  // namespace ibt
