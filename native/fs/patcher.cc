#include "patcher.h"

#include <algorithm>

#include "stream_io.h"

namespace ibt {
namespace {

// A cancelled job stops after one step.
constexpr uint64_t PATCH_STEP_BYTES = 1 << 20;

[[noreturn]] void mismatch(uint64_t position, uint64_t length) {
  throw EngineError(ErrorKind::basis_mismatch, "Delta copies " + std::to_string(length) + " bytes at " +
                                                   std::to_string(position) + ", beyond the basis");
}

}  // namespace

void FileBasis::read(uint64_t position, uint8_t* bytes, size_t length) const {
  if (read_at(fd_, position, bytes, length) < length) mismatch(position, length);
}

void MemoryBasis::read(uint64_t position, uint8_t* bytes, size_t length) const {
  if (position > size_ || length > size_ - position) mismatch(position, length);
  std::memcpy(bytes, bytes_ + position, length);
}

void BlockBasis::add(uint64_t start, const uint8_t* bytes, size_t size) {
  while (!blocks_.empty() && bytes_ + size > max_bytes_) {
    bytes_ -= blocks_.front().bytes.size();
    blocks_.erase(blocks_.begin());
  }
  Block block{start, {}};
  block.bytes.append(bytes, size);
  blocks_.push_back(std::move(block));
  bytes_ += size;
}

const BlockBasis::Block* BlockBasis::find(uint64_t position) const {
  for (size_t i = blocks_.size(); i-- > 0;) {
    if (!blocks_[i].holds(position)) continue;
    std::rotate(blocks_.begin() + std::ptrdiff_t(i), blocks_.begin() + std::ptrdiff_t(i) + 1, blocks_.end());
    return &blocks_.back();
  }
  return nullptr;
}

size_t BlockBasis::ready(uint64_t position, size_t wanted) const {
  const Block* block = find(position);
  return block == nullptr ? 0 : std::min<uint64_t>(wanted, block->start + block->bytes.size() - position);
}

void BlockBasis::read(uint64_t position, uint8_t* bytes, size_t length) const {
  if (ready(position, length) < length) mismatch(position, length);
  std::memcpy(bytes, blocks_.back().bytes.data() + (position - blocks_.back().start), length);
}

Patcher::Need Patcher::need(const Basis& basis) const {
  const bool copies = left_ > 0 && command_ == DeltaDecoder::Next::copy;
  return copies && basis.ready(position_, 1) == 0 ? Need{position_, left_} : Need{0, 0};
}

void Patcher::feed(const uint8_t* bytes, size_t length) {
  if (length == 0 || ended_) return;
  decoder_.feed(bytes, length);
  hungry_ = false;
}

void Patcher::pull(const Basis& basis, size_t max, RawBytes& out, const CancelToken& cancel) {
  const size_t start = out.size();
  for (;;) {
    if (left_ == 0) {
      if (hungry_ || ended_) return;
      command_ = decoder_.next();
      hungry_ = command_ == DeltaDecoder::Next::need_input;
      ended_ = command_ == DeltaDecoder::Next::end;
      if (hungry_ || ended_) return;
      left_ = decoder_.length();
      if (command_ == DeltaDecoder::Next::literal) literal_ = decoder_.literal();
      else position_ = decoder_.position();
    }
    const uint64_t room = max - (out.size() - start);
    if (room == 0) return;
    cancel.check();
    size_t step = static_cast<size_t>(std::min({left_, room, PATCH_STEP_BYTES}));
    if (command_ == DeltaDecoder::Next::copy) step = basis.ready(position_, step);
    if (step == 0) return;
    out.reserve_more(step);
    if (command_ == DeltaDecoder::Next::literal) {
      std::memcpy(out.end(), literal_, step);
      literal_ += step;
    } else {
      basis.read(position_, out.end(), step);
      position_ += step;
    }
    out.added(step);
    left_ -= step;
  }
}

}  // namespace ibt
