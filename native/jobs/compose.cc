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

// A descriptor, which stays open until the job is settled, or bytes.
DeltaPlace delta_place(const Napi::CallbackInfo& info, size_t index, Held& held) {
  static constexpr uint8_t NONE = 0;
  if (info[index].IsNumber()) return {descriptor(info, index, "literals"), {nullptr, 0}};
  const Span bytes = typed(info[index], "literals", napi_uint8_array, &held);
  return {-1, {bytes.data == nullptr ? &NONE : bytes.data, bytes.size}};
}

// Where they begin and end, in turn.
Napi::Value spans_to_js(Napi::Env env, const std::vector<ByteSpan>& spans) {
  Napi::Float64Array array = Napi::Float64Array::New(env, spans.size() * 2);
  for (size_t i = 0; i < spans.size(); i++) {
    array[2 * i] = static_cast<double>(spans[i].from);
    array[2 * i + 1] = static_cast<double>(spans[i].end);
  }
  return array;
}

}  // namespace

// ()
Napi::Value create_composer(const Napi::CallbackInfo& info) {
  return Wrapped<ComposerObject>::make(info.Env(), std::make_shared<ComposerObject>(), sizeof(ComposerObject));
}

// (composer, piece): which spans of it are wanted
Napi::Value composer_feed(const Napi::CallbackInfo& info) {
  auto object = free_composer(info);
  const Span piece = bytes(info, 1, "piece", nullptr);
  std::vector<ByteSpan> wanted;
  object->delta.feed({piece.data, piece.size}, wanted);
  return spans_to_js(info.Env(), wanted);
}

// (composer, token): the copies of what is composed
Napi::Value composer_end_job(const Napi::CallbackInfo& info) {
  auto object = free_composer(info);
  return start(
      info.Env(), token(info, 1), {},
      [object](const CancelToken& cancel) {
        object->delta.end(cancel);
        return object->delta.composer().copies();
      },
      [call = Call(object->calls)](Napi::Env env, uint64_t copies) mutable -> Napi::Value {
        call.done();
        return Napi::Number::New(env, static_cast<double>(copies));
      });
}

// (composer, token): the bytes of what is composed
Napi::Value composer_count_job(const Napi::CallbackInfo& info) {
  auto object = free_composer(info);
  return start(
      info.Env(), token(info, 1), {}, [object](const CancelToken& cancel) { return object->delta.count_bytes(cancel); },
      [call = Call(object->calls)](Napi::Env env, uint64_t count) mutable -> Napi::Value {
        call.done();
        return Napi::Number::New(env, static_cast<double>(count));
      });
}

// (composer, basisBytes, blockBytes, kept): the blocks that are read, and how many of them again
Napi::Value composer_blocks(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto object = free_composer(info);
  const auto basis_bytes = static_cast<uint64_t>(integer(info, 1, "basisBytes", 0, SAFE_MAX));
  const auto block_bytes = static_cast<uint64_t>(integer(info, 2, "blockBytes", 4096, SAFE_MAX));
  const auto kept = static_cast<size_t>(integer(info, 3, "kept", 1, 64));
  uint64_t read = 0;
  const uint64_t again = object->delta.composer().blocks_read_again(basis_bytes, block_bytes, kept, read);
  Napi::Array blocks = Napi::Array::New(env, 2);
  blocks.Set(0u, Napi::Number::New(env, static_cast<double>(read)));
  blocks.Set(1u, Napi::Number::New(env, static_cast<double>(again)));
  return blocks;
}

// (composer): the spans of the basis that are copied
Napi::Value composer_compact(const Napi::CallbackInfo& info) {
  return spans_to_js(info.Env(), free_composer(info)->delta.compact());
}

// (composer, literals, maxBytes, token): null behind the end
Napi::Value composer_pull_job(const Napi::CallbackInfo& info) {
  auto object = free_composer(info);
  const size_t max = static_cast<size_t>(integer(info, 2, "maxBytes", 1, SAFE_MAX));
  auto stop = token(info, 3);
  Held held;
  const DeltaPlace literals = delta_place(info, 1, held);
  return start(
      info.Env(), std::move(stop), std::move(held),
      [object, literals, max](const CancelToken& cancel) {
        RawBytes out;
        object->delta.pull(literals, max, out, cancel);
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
