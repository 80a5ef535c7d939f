// Composes deltas that lie in files or in memory.
#pragma once
#include <memory>
#include <vector>

#include "../engine.h"
#include "cancel.h"
#include "fd.h"
#include "raw_bytes.h"
#include "rdiff_files.h"

namespace ibt {

// Errors that are about one of the deltas say which. Literals are read and written on up to two threads; the output does
// not depend on that. Memory: that of DeltaComposer, and 512 KiB a thread.
JobStats compose_files(const std::vector<Fd>& deltas, int out, size_t threads, const CancelToken& cancel);

struct ByteRange {
  const uint8_t* data;
  size_t size;
};

// A delta in a file, or in memory if it has data.
struct DeltaPlace {
  int fd;
  ByteRange bytes;
};

// The delta that several make, given piece by piece, as often as it is asked for. Every call gets the same deltas. Errors
// that are about one of them say which. Memory: that of DeltaComposer, and what is appended.
class ComposedDelta {
 public:
  ComposedDelta();
  // Once, before everything else.
  void compose(const std::vector<DeltaPlace>& deltas, const CancelToken& cancel);
  // Of what is composed.
  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t copies() const { return copies_; }
  // Appends up to `max` bytes and a few commands: fewer only at the end.
  void pull(const std::vector<DeltaPlace>& deltas, size_t max, RawBytes& out, const CancelToken& cancel);
  // `pull` begins again.
  void rewind();

 private:
  uint64_t count_bytes();

  // Of the call that runs.
  const CancelToken* cancel_ = nullptr;
  DeltaComposer composer_;
  Bytes commands_;
  LiteralRange literal_ = {};
  uint64_t size_bytes_ = 0;
  uint64_t copies_ = 0;
};

// Throws EngineError delta_corrupt if the delta would have more than `max` bytes.
RawBytes compose_bytes(const std::vector<ByteRange>& deltas, uint64_t max, const CancelToken& cancel);

}  // namespace ibt
