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

// How an entry and the state's lines stand to each other; src/native/line-matcher.ts.
enum LineCode : uint8_t { LINE_SAME = 0, LINE_DIFFERENT = 1, LINE_NONE = 2 };

// What the line of an entry says otherwise than the listing, as bits; src/change/compare.ts.
enum Difference : uint8_t {
  DIFFERENT_SIZE = 1,
  DIFFERENT_MTIME = 2,
  DIFFERENT_CTIME = 4,
  DIFFERENT_INODE = 8,
  DIFFERENT_LINKNAME = 16,
  DIFFERENT_METADATA = 32
};

// What was found of each entry, the first of the range at 0.
struct ComparedEntries {
  uint8_t* codes;
  uint8_t* differences;
  // Where its line begins, where that ends before the comma, and where the digits of its SHA-256 begin (0 for none).
  uint32_t* starts;
  uint32_t* ends;
  uint32_t* digests;
};

// Kinds of artifacts; src/native/line-matcher.ts.
enum UsedKind : uint8_t { USED_FULL = 1, USED_CREATED = 2, USED_UPDATED = 4, USED_SIGVAULT = 8 };

class LineMatcher {
 public:
  explicit LineMatcher(size_t chain_length) : used_(chain_length, 0) {}

  // Compares the entries `begin` up to `end` with the lines from `start` on, one by one, up to the first that differs
  // or is not written exactly as src/format/state-encode.ts does.
  MatchedLines match(const ListedDirectory& directory, size_t begin, size_t end, std::string_view lines, size_t start);

  // Compares the entries `begin` up to `end` with the lines from `start` on, in path order, up to the first line that is of
  // no entry, or not written exactly as src/format/state-encode.ts does, or up to `same_max` entries in a row that are the
  // same. How many were compared, and where the next line begins.
  MatchedLines compare(const ListedDirectory& directory, size_t begin, size_t end, std::string_view lines, size_t start,
                       size_t same_max, const ComparedEntries& found);

  // Notes the kinds that the content of a line refers to, from its digest on.
  bool use_content(std::string_view lines, size_t digest);

  // The kinds that lines have referred to, by index in the chain; the caller clears them.
  std::vector<uint8_t>& used() { return used_; }

 private:
  // 0 if it is not written as it should be, else where the line ends before the comma.
  size_t compare_line(const ListedDirectory& directory, size_t entry, std::string_view lines, size_t start, size_t path_end,
                      uint8_t& differences, uint32_t& digest);
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
