#include "../fs/rdiff_files.h"

#include "choices.h"
#include "engine_jobs.h"
#include "results.h"

namespace ibt {

// (inFd, outFd, weak, strong, blockLen, strongLen, token)
Napi::Value signature_file_job(const Napi::CallbackInfo& info) {
  Fd in = own_descriptor(descriptor(info, 0, "inFd"));
  Fd out = own_descriptor(descriptor(info, 1, "outFd"));
  const SignatureChoice choice = signature_choice(info, 2);
  const size_t threads = Runtime::of(info.Env()).threads_for_job();
  return start(
      info.Env(), token(info, 6), {},
      [in = std::move(in), out = std::move(out), choice, threads](const CancelToken& cancel) {
        return signature_file(in.get(), out.get(), choice, threads, cancel);
      },
      stats_to_js);
}

// (signatureFd, newFd, outFd, token)
Napi::Value delta_file_job(const Napi::CallbackInfo& info) {
  Fd signature = own_descriptor(descriptor(info, 0, "signatureFd"));
  Fd in = own_descriptor(descriptor(info, 1, "newFd"));
  Fd out = own_descriptor(descriptor(info, 2, "outFd"));
  const size_t threads = Runtime::of(info.Env()).threads_for_job();
  return start(
      info.Env(), token(info, 3), {},
      [signature = std::move(signature), in = std::move(in), out = std::move(out), threads](const CancelToken& cancel) {
        return delta_file(signature.get(), in.get(), out.get(), threads, cancel);
      },
      stats_to_js);
}

// (basisFd, deltaFd, outFd, token)
Napi::Value patch_file_job(const Napi::CallbackInfo& info) {
  Fd basis = own_descriptor(descriptor(info, 0, "basisFd"));
  Fd delta = own_descriptor(descriptor(info, 1, "deltaFd"));
  Fd out = own_descriptor(descriptor(info, 2, "outFd"));
  const size_t threads = Runtime::of(info.Env()).threads_for_job();
  return start(
      info.Env(), token(info, 3), {},
      [basis = std::move(basis), delta = std::move(delta), out = std::move(out), threads](const CancelToken& cancel) {
        return patch_file(basis.get(), delta.get(), out.get(), threads, cancel);
      },
      stats_to_js);
}

}  // namespace ibt
