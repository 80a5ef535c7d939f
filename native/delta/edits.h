// What makes the new content out of the basis, in order: the commands of a delta before they are written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ibt {

struct Edit {
  static constexpr uint64_t LITERAL = ~uint64_t(0);
  // Where it is copied from, or LITERAL: the bytes of the new content themselves.
  uint64_t position;
  uint64_t length;

  bool is_literal() const { return position == LITERAL; }
};

// Neighbours that continue each other are one. Memory: 16 bytes an edit.
class Edits {
 public:
  void literal(uint64_t length) {
    if (length == 0) return;
    if (!all_.empty() && all_.back().is_literal()) all_.back().length += length;
    else all_.push_back({Edit::LITERAL, length});
    length_ += length;
  }
  void copy(uint64_t position, uint64_t length) {
    const bool continues =
        !all_.empty() && !all_.back().is_literal() && all_.back().position + all_.back().length == position;
    if (continues) all_.back().length += length;
    else all_.push_back({position, length});
    length_ += length;
  }
  void clear() {
    all_.clear();
    length_ = 0;
  }

  // Of the new content.
  uint64_t length() const { return length_; }
  std::vector<Edit>::const_iterator begin() const { return all_.begin(); }
  std::vector<Edit>::const_iterator end() const { return all_.end(); }

 private:
  std::vector<Edit> all_;
  uint64_t length_ = 0;
};

}  // namespace ibt
