#include "segments.h"

#include "search.h"

namespace ibt {
namespace {

constexpr size_t SEGMENT_BYTES = 4 << 20;
constexpr size_t STEP_BYTES = 1 << 20;

}  // namespace

size_t segment_bytes(uint32_t block_len) { return (SEGMENT_BYTES + block_len - 1) / block_len * block_len; }

void search_segment(const Signature& basis, const Segment& segment, const std::function<void()>& check, Edits& edits) {
  const size_t block_len = basis.format().block_len;
  // The windows that begin in the segment.
  const size_t end = segment.is_last ? segment.length : segment.length + block_len - 1;
  Search search(basis.state(), segment.position / block_len);
  size_t position = 0;
  for (size_t seen = 0; seen < end;) {
    check();
    // The windows that begin in a step: of content as it was, whole blocks that fill the lanes.
    seen = std::min(end, position + STEP_BYTES + block_len - 1);
    position += search.take(segment.bytes + position, seen - position, edits);
  }
  if (segment.is_last) search.finish(segment.bytes + position, segment.length - position, edits);
  else if (position < segment.length) edits.literal(segment.length - position);
}

}  // namespace ibt
