#include "../fs/rdiff_files.h"

#include "choices.h"
#include "engine_jobs.h"

namespace ibt {
namespace {

Napi::Value stats_to_js(Napi::Env env, JobStats& stats) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("inBytes", Napi::Number::New(env, static_cast<double>(stats.in_bytes)));
  result.Set("outBytes", Napi::Number::New(env, static_cast<double>(stats.out_bytes)));
  return result;
}

}  // namespace

// (inFd, outFd, weak, strong, blockLen, strongLen, token)
Napi::Value signature_file_job(const Napi::CallbackInfo& info) {
  const int in = descriptor(info, 0, "inFd");
  const int out = descriptor(info, 1, "outFd");
  const SignatureChoice choice = signature_choice(info, 2);
  return start(
      info.Env(), token(info, 6), {},
      [in, out, choice](const CancelToken& cancel) { return signature_file(in, out, choice, cancel); }, stats_to_js);
}

// (signatureFd, newFd, outFd, token)
Napi::Value delta_file_job(const Napi::CallbackInfo& info) {
  const int signature = descriptor(info, 0, "signatureFd");
  const int in = descriptor(info, 1, "newFd");
  const int out = descriptor(info, 2, "outFd");
  return start(
      info.Env(), token(info, 3), {},
      [signature, in, out](const CancelToken& cancel) { return delta_file(signature, in, out, cancel); }, stats_to_js);
}

// (basisFd, deltaFd, outFd, token)
Napi::Value patch_file_job(const Napi::CallbackInfo& info) {
  const int basis = descriptor(info, 0, "basisFd");
  const int delta = descriptor(info, 1, "deltaFd");
  const int out = descriptor(info, 2, "outFd");
  return start(
      info.Env(), token(info, 3), {},
      [basis, delta, out](const CancelToken& cancel) { return patch_file(basis, delta, out, cancel); }, stats_to_js);
}

}  // namespace ibt
