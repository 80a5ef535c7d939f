// Finds out which listed entries are just what the lines of a state say, without making objects of either.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "line_text.h"

namespace ibt {

// Lines that match, and what they add up to.
struct MatchedLines {
  size_t lines = 0;
  size_t end = 0;
  uint64_t files = 0;
  double size_bytes = 0;
};

// Kinds of artifacts; src/native/line-matcher.ts.
enum UsedKind : uint8_t { USED_FULL = 1, USED_CREATED = 2, USED_UPDATED = 4, USED_SIGVAULT = 8 };

class LineMatcher {
 public:
  explicit LineMatcher(size_t chain_length) : used_(chain_length, 0) {}

  // Compares the entries `begin` up to `end` with the lines from `start` on, one by one, up to the first that differs
  // or is not written exactly as src/format/state-encode.ts does.
  MatchedLines match(const ListedDirectory& directory, size_t begin, size_t end, std::string_view lines, size_t start);

  // The kinds that lines have referred to, by index in the chain; the caller clears them.
  std::vector<uint8_t>& used() { return used_; }

 private:
  size_t match_content(std::string_view lines, size_t at);
  bool match_place(std::string_view lines, size_t& at, bool is_first);

  std::vector<uint8_t> used_;
  OwnerNames owners_;
  std::string text_;
  // Of the line that is being matched: counted when all of it does.
  struct Use {
    size_t date;
    uint8_t kind;
  };
  std::vector<Use> uses_;
};

}  // namespace ibt
