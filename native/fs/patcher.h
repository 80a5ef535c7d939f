// Applies a delta piece by piece.
#pragma once
#include "../engine.h"
#include "cancel.h"
#include "raw_bytes.h"

namespace ibt {

// Where copies come from.
class Basis {
 public:
  virtual ~Basis() = default;
  // Throws EngineError basis_mismatch beyond its end.
  virtual void read(uint64_t position, uint8_t* bytes, size_t length) const = 0;
};

class FileBasis final : public Basis {
 public:
  explicit FileBasis(int fd) : fd_(fd) {}
  void read(uint64_t position, uint8_t* bytes, size_t length) const override;

 private:
  const int fd_;
};

class MemoryBasis final : public Basis {
 public:
  MemoryBasis(const uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {}
  void read(uint64_t position, uint8_t* bytes, size_t length) const override;

 private:
  const uint8_t* const bytes_;
  const size_t size_;
};

class Patcher {
 public:
  // The bytes must stay valid until it is hungry again.
  void feed(const uint8_t* bytes, size_t length);
  // Appends up to `max` bytes of output: fewer only if it is hungry or has ended.
  void pull(const Basis& basis, size_t max, RawBytes& out, const CancelToken& cancel);
  bool hungry() const { return hungry_; }
  bool ended() const { return ended_; }
  // No more delta comes. Throws EngineError input_ended if its end was not seen.
  void finish() const { decoder_.finish(); }

 private:
  DeltaDecoder decoder_;
  DeltaDecoder::Next command_ = DeltaDecoder::Next::need_input;
  const uint8_t* literal_ = nullptr;
  uint64_t position_ = 0;
  uint64_t left_ = 0;
  bool hungry_ = true;
  bool ended_ = false;
};

}  // namespace ibt
