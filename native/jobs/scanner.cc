#include <optional>

#include "busy.h"
#include "choices.h"
#include "engine_jobs.h"
#include "loaded_signature.h"
#include "results.h"
#include "wrapped.h"

namespace ibt {
namespace {

struct Scanner {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x7363616e6e650003};

  std::shared_ptr<CallState> calls = std::make_shared<CallState>();
  Sha256 sha256;
  std::optional<SignatureWriter> writer;
  std::optional<DeltaEncoder> encoder;
  Bytes signature;
  uint64_t size = 0;

  Bytes update(Span chunk, const CancelToken& cancel) {
    Bytes delta;
    for (size_t at = 0; at < chunk.size; at += STEP_BYTES) {
      cancel.check();
      const uint8_t* bytes = chunk.data + at;
      const size_t length = std::min(STEP_BYTES, chunk.size - at);
      sha256.update(bytes, length);
      if (writer) writer->update(bytes, length, signature);
      if (encoder) encoder->update(bytes, length, delta);
    }
    size += chunk.size;
    return delta;
  }

  Bytes zeros(uint64_t count, const CancelToken& cancel) {
    Bytes delta;
    if (writer) writer->zeros(count, signature);
    for (uint64_t left = count; left > 0;) {
      cancel.check();
      const size_t length = static_cast<size_t>(std::min<uint64_t>(left, ZEROS_BYTES));
      sha256.update(ZEROS, length);
      if (encoder) encoder->update(ZEROS, length, delta);
      left -= length;
    }
    size += count;
    return delta;
  }

  struct Result {
    Bytes delta;
    Bytes signature;
    std::array<uint8_t, 32> sha256;
    uint64_t size;
    uint64_t copies;
    uint64_t copied_bytes;
  };

  Result finish() {
    Result result{};
    if (writer) writer->finish(signature);
    if (encoder) {
      encoder->finish(result.delta);
      result.copies = encoder->copies();
      result.copied_bytes = encoder->copied_bytes();
    }
    result.signature = std::move(signature);
    result.sha256 = sha256.finish();
    result.size = size;
    return result;
  }
};

Napi::Value to_js(Napi::Env env, Scanner::Result& result) {
  const auto number = [&](uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  Napi::Object js = Napi::Object::New(env);
  js.Set("delta", to_buffer(env, std::move(result.delta)));
  js.Set("sha256", Napi::Buffer<uint8_t>::Copy(env, result.sha256.data(), result.sha256.size()));
  js.Set("signature", to_buffer(env, std::move(result.signature)));
  js.Set("sizeBytes", number(result.size));
  js.Set("copies", number(result.copies));
  js.Set("copiedBytes", number(result.copied_bytes));
  return js;
}

std::shared_ptr<Scanner> free_scanner(const Napi::CallbackInfo& info) {
  auto scanner = Wrapped<Scanner>::get(info.Env(), info[0], "scanner");
  scanner->calls->check_free(info.Env(), "The scanner");
  return scanner;
}

}  // namespace

// (sizeBytes or -1, sign, weak, strong, blockLen, strongLen, basis or undefined)
Napi::Value create_scanner(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const double size = integer(info, 0, "sizeBytes", -1, SAFE_MAX);
  if (!info[1].IsBoolean()) throw Napi::TypeError::New(env, "sign is not a boolean");
  const SignatureChoice choice = signature_choice(info, 2);
  auto scanner = std::make_shared<Scanner>();
  if (info[1].As<Napi::Boolean>().Value()) {
    scanner->writer.emplace(resolve_format(choice.weak, choice.strong, choice.block_len, choice.strong_len,
                                           static_cast<int64_t>(size)));
  }
  size_t memory = sizeof(Scanner);
  if (!info[6].IsUndefined()) {
    const auto basis = Wrapped<LoadedSignature>::get(env, info[6], "basis")->signature;
    memory += basis->format().block_len;
    scanner->encoder.emplace(basis);
  }
  return Wrapped<Scanner>::make(env, std::move(scanner), memory);
}

// (scanner, chunk, token)
Napi::Value scanner_update_job(const Napi::CallbackInfo& info) {
  auto scanner = free_scanner(info);
  auto stop = token(info, 2);
  Held held;
  const Span chunk = bytes(info, 1, "chunk", &held);
  return start(
      info.Env(), std::move(stop), std::move(held),
      [scanner, chunk](const CancelToken& cancel) { return scanner->update(chunk, cancel); },
      [call = Call(scanner->calls)](Napi::Env env, Bytes& delta) mutable {
        call.done();
        return to_buffer(env, std::move(delta));
      });
}

// (scanner, count, token)
Napi::Value scanner_zeros_job(const Napi::CallbackInfo& info) {
  auto scanner = free_scanner(info);
  const auto count = static_cast<uint64_t>(integer(info, 1, "count", 0, SAFE_MAX));
  auto stop = token(info, 2);
  return start(
      info.Env(), std::move(stop), {},
      [scanner, count](const CancelToken& cancel) { return scanner->zeros(count, cancel); },
      [call = Call(scanner->calls)](Napi::Env env, Bytes& delta) mutable {
        call.done();
        return to_buffer(env, std::move(delta));
      });
}

// (scanner, token)
Napi::Value scanner_finish_job(const Napi::CallbackInfo& info) {
  auto scanner = free_scanner(info);
  auto stop = token(info, 1);
  return start(
      info.Env(), std::move(stop), {}, [scanner](const CancelToken&) { return scanner->finish(); },
      [call = Call(scanner->calls)](Napi::Env env, Scanner::Result& result) { return to_js(env, result); });
}

}  // namespace ibt
