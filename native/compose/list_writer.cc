#include "list_writer.h"

#include <algorithm>

#include "../delta/commands.h"
#include "../delta/opcodes.h"
#include "../hash/bytes.h"

namespace ibt {
namespace {

// librsync counts in an int what it passes on of a literal.
constexpr uint64_t LITERAL_MAX = uint64_t(1) << 30;
// Bytes of copies that are given at once.
constexpr size_t COPIES_BYTES = 4096;

}  // namespace

// Literals that follow each other are one command, whichever deltas hold them.
uint64_t ListWriter::literal_length(const CommandList& list) const {
  size_t last = index_;
  while (last + 1 < list.size() && list[last + 1].source != CommandList::BASIS && list[last].end - at_ < LITERAL_MAX) {
    last++;
  }
  return std::min(list[last].end - at_, LITERAL_MAX);
}

bool ListWriter::next(const CommandList& list, Bytes& commands, LiteralRange& literal) {
  literal = {};
  if (ended_) return false;
  if (!begun_) append_be(commands, DELTA_MAGIC, 4);
  begun_ = true;
  const size_t enough = commands.size() + COPIES_BYTES;
  for (; index_ < list.size() && commands.size() < enough; index_++) {
    const Command& command = list[index_];
    if (command.source == CommandList::BASIS) {
      append_copy(command.from, command.end - at_, commands);
      at_ = command.end;
      continue;
    }
    if (literal_left_ == 0) append_literal_head(literal_left_ = literal_length(list), commands);
    const uint64_t length = std::min(command.end - at_, literal_left_);
    literal = {command.source, command.from + (at_ - list.start(index_)), length};
    at_ += length;
    literal_left_ -= length;
    if (at_ == command.end) index_++;
    return true;
  }
  ended_ = index_ == list.size();
  if (ended_) commands.push_back(OP_END);
  return true;
}

}  // namespace ibt
