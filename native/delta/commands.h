// Writes the commands of a delta.
#pragma once
#include "../engine.h"

namespace ibt {

// The shortest form of a copy, and of what comes before the bytes of a literal.
void append_copy(uint64_t position, uint64_t length, Bytes& out);
void append_literal_head(uint64_t length, Bytes& out);

// Joins copies that continue each other and cuts long literals, always at the same places however the bytes come.
// Memory: one literal command.
class CommandWriter {
 public:
  void literal(const uint8_t* bytes, size_t length, Bytes& out);
  void copy(uint64_t position, uint64_t length, Bytes& out);
  // For a literal whose bytes the caller writes behind it.
  void literal_head(uint64_t length, Bytes& out);
  void finish(Bytes& out);

  uint64_t copies() const { return copies_; }
  uint64_t copied_bytes() const { return copied_bytes_; }

 private:
  void flush_copy(Bytes& out);
  void flush_literal(Bytes& out);

  Bytes literal_;
  uint64_t copy_position_ = 0;
  // 0: no copy waits.
  uint64_t copy_length_ = 0;
  uint64_t copies_ = 0;
  uint64_t copied_bytes_ = 0;
};

}  // namespace ibt
