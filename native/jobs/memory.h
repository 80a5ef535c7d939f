// Memory that a job works on. JavaScript may transfer an ArrayBuffer while a job runs, and then its memory may be freed at
// any moment: Node-API has no call that keeps it. So jobs work on memory of the addon's: on what `allocate` has made, and
// on copies of everything else.
#pragma once
#include <napi.h>

#include <memory>
#include <vector>

#include "../fs/raw_bytes.h"

namespace ibt {

struct Span {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// What a job reads, alive until the job is settled.
class Held {
 public:
  // The same bytes, where nobody can free them.
  Span keep(Span span);

 private:
  std::vector<std::shared_ptr<const void>> memory_;
};

// What a job writes.
class Room {
 public:
  explicit Room(Napi::TypedArray array);
  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  // On JavaScript's thread, when the job has ended: brings the first bytes to where they were asked for.
  // Throws if that was transferred meanwhile.
  void deliver(Napi::Env env, size_t used);

 private:
  uint8_t* data_;
  size_t size_;
  std::shared_ptr<const void> owner_;
  // Of memory that is not the addon's: written to when the job has ended.
  RawBytes own_;
  Napi::ObjectReference array_;
};

// (sizeBytes): a Buffer of memory that jobs use where it is
Napi::Value allocate(const Napi::CallbackInfo& info);

}  // namespace ibt
