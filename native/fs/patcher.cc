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
  using Kind = Need::Kind;
  if (left_ == 0) return {Kind::given, 0, 0};
  const bool leaves = basis.leaves(length_);
  if (command_ == DeltaDecoder::Next::literal) return {Kind::literal, uint64_t(literal_ - fed_), leaves ? left_ : 0};
  if (leaves) return {Kind::copied, position_, left_};
  return {Kind::given, position_, basis.ready(position_, 1) == 0 ? left_ : 0};
}

void Patcher::skip(const Basis& basis, uint64_t length) {
  if (length > left_ || !basis.leaves(length_)) throw EngineError(ErrorKind::parameter, "Not so many bytes are left");
  advance(length);
}

void Patcher::advance(uint64_t length) {
  if (command_ == DeltaDecoder::Next::literal) literal_ += length;
  else position_ += length;
  left_ -= length;
}

void Patcher::feed(const uint8_t* bytes, size_t length) {
  if (length == 0 || ended_) return;
  decoder_.feed(bytes, length);
  fed_ = bytes;
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
      length_ = left_ = decoder_.length();
      if (command_ == DeltaDecoder::Next::literal) literal_ = decoder_.literal();
      else position_ = decoder_.position();
    }
    const uint64_t room = max - (out.size() - start);
    if (room == 0) return;
    cancel.check();
    if (basis.leaves(length_)) return;
    size_t step = static_cast<size_t>(std::min({left_, room, PATCH_STEP_BYTES}));
    if (command_ == DeltaDecoder::Next::copy) step = basis.ready(position_, step);
    if (step == 0) return;
    out.reserve_more(step);
    if (command_ == DeltaDecoder::Next::literal) std::memcpy(out.end(), literal_, step);
    else basis.read(position_, out.end(), step);
    out.added(step);
    advance(step);
  }
}

}  // namespace ibt
