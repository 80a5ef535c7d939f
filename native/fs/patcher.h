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
  // How many bytes can be read there, at most `wanted`; 0: they have to be given first.
  virtual size_t ready(uint64_t, size_t wanted) const { return wanted; }
  // Whether a command that makes so many bytes is left to whoever asks for them, who has them already.
  virtual bool leaves(uint64_t) const { return false; }
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

// Parts of a basis that are given when they are needed. Memory: `max_bytes`, or one block if that has more; those that
// were used last stay.
class BlockBasis final : public Basis {
 public:
  explicit BlockBasis(size_t max_bytes) : max_bytes_(max_bytes) {}
  void add(uint64_t start, const uint8_t* bytes, size_t size);
  size_t ready(uint64_t position, size_t wanted) const override;
  bool leaves(uint64_t length) const override { return length >= LEFT_MIN_BYTES; }
  void read(uint64_t position, uint8_t* bytes, size_t length) const override;

 private:
  // Of fewer bytes, a copy costs less than what is done for each piece.
  static constexpr uint64_t LEFT_MIN_BYTES = 128 << 10;

  struct Block {
    uint64_t start;
    RawBytes bytes;
    bool holds(uint64_t position) const { return position >= start && position - start < bytes.size(); }
  };
  // The one that holds the position is the last then; null if none does.
  const Block* find(uint64_t position) const;

  const size_t max_bytes_;
  size_t bytes_ = 0;
  // Last used last.
  mutable std::vector<Block> blocks_;
};

class Patcher {
 public:
  // The bytes must stay valid until it is hungry again.
  void feed(const uint8_t* bytes, size_t length);
  // Appends up to `max` bytes of output: fewer only if it is hungry, has ended, or `need` says what it waits for.
  void pull(const Basis& basis, size_t max, RawBytes& out, const CancelToken& cancel);
  // What comes next: bytes of the basis that it has to be given, or that are left to the caller, who then calls `skip`;
  // or a literal that is left, at a position of what was fed. No bytes: nothing is needed.
  struct Need {
    enum class Kind { given, copied, literal } kind;
    uint64_t position;
    uint64_t length;
  };
  Need need(const Basis& basis) const;
  // The caller has made so many bytes of what was left. Throws EngineError parameter for more.
  void skip(const Basis& basis, uint64_t length);
  bool hungry() const { return hungry_; }
  bool ended() const { return ended_; }
  // No more delta comes. Throws EngineError input_ended if its end was not seen.
  void finish() const { decoder_.finish(); }

 private:
  void advance(uint64_t length);

  DeltaDecoder decoder_;
  DeltaDecoder::Next command_ = DeltaDecoder::Next::need_input;
  const uint8_t* fed_ = nullptr;
  const uint8_t* literal_ = nullptr;
  uint64_t position_ = 0;
  // Of the command: all its bytes, and those that are still to be made.
  uint64_t length_ = 0;
  uint64_t left_ = 0;
  bool hungry_ = true;
  bool ended_ = false;
};

}  // namespace ibt
