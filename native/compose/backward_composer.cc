#include "backward_composer.h"

#include <algorithm>

namespace ibt {
namespace {

constexpr uint32_t LITERALS = 0;
// Bytes that the last content does not have.
constexpr uint32_t UNWANTED = CommandList::BASIS - 1;
// Long copies do not go through the blocks that stay in memory: their readers have the last ones alone.
constexpr uint64_t LONG_SHARE = 8;
constexpr size_t KEPT_FOR_LONG = 2;

}  // namespace

BackwardComposer::Coming& BackwardComposer::coming() {
  if (coming_ != nullptr) return *coming_;
  coming_ = std::make_unique<Coming>(budget_);
  if (is_first_) coming_->wanted.push_back({0, UINT64_MAX});
  else coming_->wanted = copied_spans();
  return *coming_;
}

// In order, none of which touches the next.
std::vector<ByteSpan> BackwardComposer::copied_spans() const {
  std::vector<ByteSpan> spans;
  for (size_t i = 0; i < composed_.size(); i++) {
    const Command& command = composed_[i];
    if (command.source != CommandList::BASIS) continue;
    spans.push_back({command.from, command.from + (command.end - composed_.start(i))});
  }
  const auto before = [](const ByteSpan& a, const ByteSpan& b) { return a.from < b.from; };
  if (!std::is_sorted(spans.begin(), spans.end(), before)) std::sort(spans.begin(), spans.end(), before);
  size_t joined = 0;
  for (size_t i = 1; i < spans.size(); i++) {
    if (spans[i].from <= spans[joined].end) spans[joined].end = std::max(spans[joined].end, spans[i].end);
    else spans[++joined] = spans[i];
  }
  if (!spans.empty()) spans.resize(joined + 1);
  return spans;
}

// Cuts what a command of the delta that comes makes into parts that are wanted, which `take` adds, and others.
template <class Take>
void BackwardComposer::take_wanted(uint64_t length, Take take) {
  auto& [decoder, list, wanted, next] = *coming_;
  const uint64_t start = list.made(), end = start + length;
  for (uint64_t at = start; at < end;) {
    while (next < wanted.size() && wanted[next].end <= at) next++;
    const bool none = next == wanted.size() || wanted[next].from >= end;
    const uint64_t from = none ? end : std::max(at, wanted[next].from);
    if (from > at) list.add(UNWANTED, at, from - at);
    at = from;
    if (none) break;
    const uint64_t until = std::min(end, wanted[next].end);
    take(at - start, until - at);
    at = until;
  }
}

void BackwardComposer::feed(const uint8_t* bytes, size_t size, std::vector<ByteSpan>& wanted) {
  Coming& delta = coming();
  DeltaDecoder& decoder = delta.decoder;
  CommandList& list = delta.list;
  decoder.feed(bytes, size);
  for (;;) {
    switch (decoder.next()) {
      case DeltaDecoder::Next::literal: {
        const uint64_t from = uint64_t(decoder.literal() - bytes);
        take_wanted(decoder.length(), [&](uint64_t offset, uint64_t length) {
          list.add(LITERALS, literal_bytes_, length);
          literal_bytes_ += length;
          wanted.push_back({from + offset, from + offset + length});
        });
        break;
      }
      case DeltaDecoder::Next::copy: {
        const uint64_t position = decoder.position();
        take_wanted(decoder.length(), [&](uint64_t offset, uint64_t length) {
          list.add(CommandList::BASIS, position + offset, length);
        });
        break;
      }
      default:
        return;
    }
  }
}

void BackwardComposer::end() {
  auto& [decoder, list, wanted, next] = coming();
  decoder.finish();
  list.complete();
  if (is_first_) {
    composed_ = std::move(list);
  } else {
    if (!wanted.empty() && wanted.back().end > list.made()) {
      throw EngineError(ErrorKind::delta_corrupt,
                        "Delta makes " + std::to_string(list.made()) + " bytes, and the next one copies up to byte " +
                            std::to_string(wanted.back().end));
    }
    composed_ = compose_lists(list, composed_, budget_);
  }
  is_first_ = false;
  coming_.reset();
}

uint64_t BackwardComposer::copies() const {
  uint64_t count = 0;
  for (size_t i = 0; i < composed_.size(); i++) count += composed_[i].source == CommandList::BASIS;
  return count;
}

uint64_t BackwardComposer::blocks_read_again(uint64_t basis_bytes, uint64_t block_bytes, size_t kept,
                                             uint64_t& read) const {
  std::vector<bool> was_read(size_t(basis_bytes / block_bytes + 1));
  std::vector<uint64_t> blocks;
  uint64_t again = 0;
  read = 0;
  for (size_t i = 0; i < composed_.size(); i++) {
    const Command& command = composed_[i];
    if (command.source != CommandList::BASIS) continue;
    const uint64_t length = command.end - composed_.start(i), end = std::min(basis_bytes, command.from + length);
    const size_t in_memory = length < block_bytes / LONG_SHARE ? kept : std::min(kept, KEPT_FOR_LONG);
    for (uint64_t block = command.from / block_bytes; block * block_bytes < end; block++) {
      const auto oldest = blocks.end() - std::ptrdiff_t(std::min(in_memory, blocks.size()));
      const auto found = std::find(oldest, blocks.end(), block);
      if (found != blocks.end()) {
        std::rotate(found, found + 1, blocks.end());
        continue;
      }
      if (blocks.size() == kept) blocks.erase(blocks.begin());
      blocks.push_back(block);
      (was_read[size_t(block)] ? again : read)++;
      was_read[size_t(block)] = true;
    }
  }
  return again;
}

std::vector<ByteSpan> BackwardComposer::compact() {
  std::vector<ByteSpan> spans = copied_spans();
  std::vector<uint64_t> starts;
  uint64_t start = 0;
  for (const ByteSpan& span : spans) {
    starts.push_back(start);
    start += span.end - span.from;
  }
  CommandList compacted(budget_);
  for (size_t i = 0; i < composed_.size(); i++) {
    const Command& command = composed_[i];
    uint64_t from = command.from;
    if (command.source == CommandList::BASIS) {
      const auto ends_before = [](uint64_t position, const ByteSpan& span) { return position < span.end; };
      const auto span = std::upper_bound(spans.begin(), spans.end(), from, ends_before);
      from = starts[size_t(span - spans.begin())] + (from - span->from);
    }
    compacted.add(command.source, from, command.end - composed_.start(i));
  }
  compacted.complete();
  composed_ = std::move(compacted);
  return spans;
}

}  // namespace ibt
