// Memory of JavaScript that a job works on.
#pragma once
#include <napi.h>

#include <memory>
#include <vector>

namespace ibt {

// Keeps the memory of an ArrayBuffer there even if it is transferred to another thread, or detached and freed, while a
// job works on it. Node-API has no call for that, so V8's own is looked up at run time: `ArrayBuffer::GetBackingStore`,
// the same since V8 7.9. Where there is none, and in what only resembles Node (its standard library may be another one),
// it is null, and only the object is held.
std::shared_ptr<void> memory_of(napi_value array_buffer);
// Looks it up, when the addon is loaded.
void find_memory(Napi::Env env);

// What a job works on, alive until it is settled.
struct Held {
  std::vector<Napi::ObjectReference> objects;
  std::vector<std::shared_ptr<void>> memory;
};

}  // namespace ibt
