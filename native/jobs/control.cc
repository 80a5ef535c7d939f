#include "arguments.h"
#include "engine_jobs.h"
#include "wrapped.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace ibt {
namespace {

constexpr double THREADS_MAX = 256;
// A frame and what it is compressed to are below it: to map and unmap each costs more than to compress it.
constexpr int KEPT_BYTES = 4 << 20;

}  // namespace

// (count)
Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const size_t count = static_cast<size_t>(integer(info, 0, "count", 1, THREADS_MAX));
  Runtime::of(info.Env()).set_threads(info.Env(), count);
  return info.Env().Undefined();
}

// ()
Napi::Value return_freed_memory(const Napi::CallbackInfo& info) {
#ifdef __GLIBC__
  // Once set, they do not grow with what is freed.
  mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
  mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
  // What one thread has freed serves the others.
  mallopt(M_ARENA_MAX, 1);
#endif
  return info.Env().Undefined();
}

// ()
Napi::Value make_canceller(const Napi::CallbackInfo& info) {
  auto canceller = std::make_shared<Canceller>(Canceller{std::make_shared<CancelToken>()});
  return Wrapped<Canceller>::make(info.Env(), std::move(canceller), sizeof(CancelToken));
}

// (canceller)
Napi::Value cancel(const Napi::CallbackInfo& info) {
  Wrapped<Canceller>::get(info.Env(), info[0], "canceller")->token->cancel();
  Runtime::of(info.Env()).drop_cancelled();
  return info.Env().Undefined();
}

}  // namespace ibt
