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

// Throws EngineError delta_corrupt if the delta would have more than `max` bytes.
RawBytes compose_bytes(const std::vector<ByteRange>& deltas, uint64_t max, const CancelToken& cancel);

}  // namespace ibt
