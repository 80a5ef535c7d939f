// Writes a delta whose literals lie in memory already: long ones go out from where they are.
#pragma once
#include "../delta/commands.h"
#include "../delta/edits.h"
#include "../hash/bytes.h"
#include "stream_io.h"

namespace ibt {

// Memory: 1 MiB.
class DeltaOutput {
 public:
  explicit DeltaOutput(Output& output) : output_(output) { append_be(pending_, DELTA_MAGIC, 4); }

  // `bytes` are those that the edit makes.
  void write(const Edit& edit, const uint8_t* bytes) {
    if (!edit.is_literal()) {
      commands_.copy(edit.position, edit.length, pending_);
    } else {
      commands_.literal_head(edit.length, pending_);
      if (edit.length < LONG_LITERAL) {
        pending_.insert(pending_.end(), bytes, bytes + edit.length);
      } else {
        flush();
        output_.write(bytes, edit.length);
      }
    }
    if (pending_.size() >= PENDING_BYTES) flush();
  }
  void finish() {
    commands_.finish(pending_);
    flush();
  }

 private:
  static constexpr size_t LONG_LITERAL = 32 << 10;
  static constexpr size_t PENDING_BYTES = 512 << 10;

  void flush() {
    output_.write(pending_.data(), pending_.size());
    pending_.clear();
  }

  Output& output_;
  CommandWriter commands_;
  Bytes pending_;
};

}  // namespace ibt
