#include "memory.h"

#include <dlfcn.h>

#include <atomic>

namespace ibt {
namespace {

// A member function is called as a function of `this`, and a napi_value is what V8 has for `this`. A shared pointer does
// not depend on what it points to.
using GetBackingStore = std::shared_ptr<void> (*)(napi_value array_buffer);

std::atomic<GetBackingStore> get_backing_store{nullptr};

bool is_node(Napi::Env env) {
  const Napi::Value process = env.Global().Get("process");
  if (!process.IsObject()) return false;
  const Napi::Value versions = process.As<Napi::Object>().Get("versions");
  if (!versions.IsObject()) return false;
  for (const char* other : {"electron", "bun", "deno"}) {
    if (versions.As<Napi::Object>().Has(other)) return false;
  }
  return true;
}

}  // namespace

void find_memory(Napi::Env env) {
  if (!is_node(env)) return;
  get_backing_store =
      reinterpret_cast<GetBackingStore>(dlsym(RTLD_DEFAULT, "_ZN2v811ArrayBuffer15GetBackingStoreEv"));
}

std::shared_ptr<void> memory_of(napi_value array_buffer) {
  const GetBackingStore get = get_backing_store;
  return get == nullptr ? nullptr : get(array_buffer);
}

}  // namespace ibt
