// Composes deltas that lie in files or in memory.
#pragma once
#include <memory>
#include <vector>

#include "../compose/backward_composer.h"
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

// The delta that several make, which come piece by piece, the newest first, and what they make piece by piece, as often
// as it is asked for. Memory: that of BackwardComposer, and what is appended.
class ComposedDelta {
 public:
  ComposedDelta();
  // The spans of a piece that are wanted: see BackwardComposer.
  void feed(ByteRange piece, std::vector<ByteSpan>& wanted);
  void end(const CancelToken& cancel);
  const BackwardComposer& composer() const { return composer_; }
  std::vector<ByteSpan> compact();
  // Of all that it makes.
  uint64_t count_bytes(const CancelToken& cancel);
  // Appends up to `max` bytes and a few commands: fewer only at the end. `literals`: the bytes that were wanted.
  void pull(const DeltaPlace& literals, size_t max, RawBytes& out, const CancelToken& cancel);
  // `pull` begins again.
  void rewind();

 private:
  // Of the call that runs, if it can be cancelled.
  const CancelToken* cancel_ = nullptr;
  BackwardComposer composer_;
  Bytes commands_;
  LiteralRange literal_ = {};
};

// Throws EngineError delta_corrupt if the delta would have more than `max` bytes.
RawBytes compose_bytes(const std::vector<ByteRange>& deltas, uint64_t max, const CancelToken& cancel);

}  // namespace ibt
