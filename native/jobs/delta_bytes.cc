#include "engine_jobs.h"
#include "loaded_signature.h"
#include "results.h"

namespace ibt {
namespace {

struct DeltaResult {
  Bytes delta;
  uint64_t copies;
};

DeltaResult delta_bytes(Span signature, Span content, const CancelToken& cancel) {
  DeltaEncoder encoder(load_signature(signature, cancel));
  DeltaResult result;
  for (size_t at = 0; at < content.size; at += STEP_BYTES) {
    cancel.check();
    encoder.update(content.data + at, std::min(STEP_BYTES, content.size - at), result.delta);
  }
  encoder.finish(result.delta);
  result.copies = encoder.copies();
  return result;
}

}  // namespace

// (signature, bytes, token)
Napi::Value delta_bytes_job(const Napi::CallbackInfo& info) {
  Held held;
  const Span signature = bytes(info, 0, "signature", &held);
  const Span content = bytes(info, 1, "bytes", &held);
  return start(
      info.Env(), token(info, 2), std::move(held),
      [signature, content](const CancelToken& cancel) { return delta_bytes(signature, content, cancel); },
      [](Napi::Env env, DeltaResult& result) -> Napi::Value {
        Napi::Object js = Napi::Object::New(env);
        js.Set("delta", to_buffer(env, std::move(result.delta)));
        js.Set("copies", Napi::Number::New(env, static_cast<double>(result.copies)));
        return js;
      });
}

}  // namespace ibt
