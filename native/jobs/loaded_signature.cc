#include "loaded_signature.h"

#include "arguments.h"
#include "engine_jobs.h"
#include "wrapped.h"

namespace ibt {

std::shared_ptr<const Signature> load_signature(Span bytes, const CancelToken& cancel) {
  SignatureLoader loader;
  for (size_t at = 0; at < bytes.size; at += STEP_BYTES) {
    cancel.check();
    loader.update(bytes.data + at, std::min(STEP_BYTES, bytes.size - at));
  }
  return loader.finish();
}

// (bytes, token)
Napi::Value load_signature_job(const Napi::CallbackInfo& info) {
  Held held;
  const Span signature = bytes(info, 0, "signature", &held);
  return start(
      info.Env(), token(info, 1), std::move(held),
      [signature](const CancelToken& cancel) { return load_signature(signature, cancel); },
      [](Napi::Env env, std::shared_ptr<const Signature>& loaded) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("blockLen", Napi::Number::New(env, loaded->format().block_len));
        result.Set("strongLen", Napi::Number::New(env, loaded->format().strong_len));
        result.Set("blocks", Napi::Number::New(env, static_cast<double>(loaded->blocks())));
        const size_t memory = loaded->memory_bytes();
        auto kept = std::make_shared<LoadedSignature>(LoadedSignature{std::move(loaded)});
        result.Set("handle", Wrapped<LoadedSignature>::make(env, std::move(kept), memory));
        return result;
      });
}

}  // namespace ibt
