// New content in segments that are searched independently of each other, and joined in order: what comes out depends on
// where they are cut, which is always the same, and not on how many threads there are.
#pragma once
#include <algorithm>

#include "../engine.h"
#include "edits.h"

namespace ibt {

// Whole blocks, so that content which stayed where it was is found without a search at the start of each segment. Long
// enough that what a seam costs, a command or two in periodic content, does not count.
size_t segment_bytes(uint32_t block_len);

struct Segment {
  // The segment, and unless it is the last one, a block of what follows: windows that begin in it end there.
  const uint8_t* bytes;
  // Without what follows.
  size_t length;
  // In the new content: a multiple of the block length.
  uint64_t position;
  bool is_last;
};

// Appends the edits of one segment, of which the last may run into the next segment by less than a block. `check` is
// called at least every MiB, and may throw.
void search_segment(const Signature& basis, const Segment& segment, const std::function<void()>& check, Edits& edits);

// Drops from the beginning of each segment's edits what the last edit before made already.
class SegmentJoiner {
 public:
  // Gives each edit that is left, and where its bytes begin in the segment.
  template <class Give>
  void join(const Edits& edits, const Segment& segment, Give give) {
    uint64_t at = 0, drop = over_;
    for (Edit edit : edits) {
      const uint64_t dropped = std::min(drop, edit.length);
      drop -= dropped;
      at += dropped;
      edit.length -= dropped;
      if (!edit.is_literal()) edit.position += dropped;
      if (edit.length > 0) give(edit, at);
      at += edit.length;
    }
    over_ = at - segment.length;
  }

 private:
  // How far the edits ran past the segment's end.
  uint64_t over_ = 0;
};

}  // namespace ibt
