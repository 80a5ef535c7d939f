// Makes one delta of several that come from the newest to the oldest, piece by piece.
#pragma once
#include <memory>
#include <vector>

#include "list_writer.h"

namespace ibt {

struct ByteSpan {
  uint64_t from;
  uint64_t end;
};

// What newer deltas copy is known when an older one comes: of its literals, only the bytes that the last content has are
// wanted, so they are never more than that content has.
// Memory: 24 bytes a command of the deltas so far, twice, and of the one that comes; 16 bytes a span that they copy.
class BackwardComposer {
 public:
  // `check` is called at least every few thousand commands, and may throw.
  explicit BackwardComposer(std::function<void()> check) : budget_(std::move(check)), composed_(budget_) {}
  // The next piece of a delta. Appends the spans of the piece that are wanted: the caller puts these bytes behind those
  // of the pieces before. Throws EngineError: bad_magic, delta_corrupt.
  void feed(const uint8_t* bytes, size_t size, std::vector<ByteSpan>& wanted);
  // The delta has no more pieces. Throws EngineError: input_ended, and delta_corrupt also if it does not make what newer
  // ones copy.
  void end();
  // COPY commands of what is composed: without any, older deltas are not needed.
  uint64_t copies() const;
  // How many blocks of a basis of so many bytes are read again if they are read as copies need them, and the last
  // `kept` stay in memory for short ones. `read`: how many are read at all.
  uint64_t blocks_read_again(uint64_t basis_bytes, uint64_t block_bytes, size_t kept, uint64_t& read) const;
  // From now on the basis is what these spans of it make, one after the other: those that are copied.
  std::vector<ByteSpan> compact();
  // As that of ListWriter. Literals are at their positions among all bytes that were wanted.
  bool next(Bytes& commands, LiteralRange& literal) { return writer_.next(composed_, commands, literal); }
  void rewind() { writer_.rewind(); }

 private:
  // The delta that comes.
  struct Coming {
    explicit Coming(CommandBudget& budget) : list(budget) {}
    DeltaDecoder decoder;
    CommandList list;
    // Of the content that it makes; the first that does not end before what was made.
    std::vector<ByteSpan> wanted;
    size_t next_wanted = 0;
  };

  Coming& coming();
  std::vector<ByteSpan> copied_spans() const;
  template <class Take>
  void take_wanted(uint64_t length, Take take);

  CommandBudget budget_;
  CommandList composed_;
  bool is_first_ = true;
  uint64_t literal_bytes_ = 0;
  std::unique_ptr<Coming> coming_;
  ListWriter writer_;
};

}  // namespace ibt
