#include "memory.h"

#include <dlfcn.h>

namespace ibt {

std::shared_ptr<void> memory_of(napi_value array_buffer) {
  // A member function is called as a function of `this`, and a napi_value is what V8 has for `this`. A shared pointer
  // does not depend on what it points to.
  using GetBackingStore = std::shared_ptr<void> (*)(napi_value array_buffer);
  static const auto get =
      reinterpret_cast<GetBackingStore>(dlsym(RTLD_DEFAULT, "_ZN2v811ArrayBuffer15GetBackingStoreEv"));
  return get == nullptr ? nullptr : get(array_buffer);
}

}  // namespace ibt
