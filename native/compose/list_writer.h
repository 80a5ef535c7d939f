// Writes the commands of a list as a delta.
#pragma once
#include "command_list.h"

namespace ibt {

class ListWriter {
 public:
  // What comes next: appends some commands, and says which bytes follow them, of length 0 if none. False behind the end.
  bool next(const CommandList& list, Bytes& commands, LiteralRange& literal);
  void rewind() { *this = ListWriter(); }

 private:
  uint64_t literal_length(const CommandList& list) const;

  bool begun_ = false, ended_ = false;
  // The next command, the bytes before it, and those that the last head of a literal is for.
  size_t index_ = 0;
  uint64_t at_ = 0, literal_left_ = 0;
};

}  // namespace ibt
