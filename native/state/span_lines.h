// The lines of plain entries that were stored just now.
#pragma once
#include <string>

#include "line_matcher.h"
#include "line_text.h"

namespace ibt {

// What is written of an entry; src/native/span-writer.ts.
enum Treatment : uint8_t {
  // It was stored: all that is known now.
  TREAT_STORED = 0,
  // It is as its line says: that is copied.
  TREAT_COPIED = 1,
  // Its content is where it was: its metadata are new.
  TREAT_TOUCHED = 2,
  // It was read, and its content is where it was: its metadata are those of the read.
  TREAT_SAME = 3
};

// The lines that the previous state has of entries of the span, by entry; no treatments: all entries were stored.
struct PreviousLines {
  const uint8_t* treatments;
  std::string_view lines;
  const uint32_t* starts;
  const uint32_t* ends;
  const uint32_t* digests;
};

struct StoredFiles {
  StatColumns stats;
  size_t first;
  const uint8_t* flags;
  const uint8_t* sha256;
  // By entry of the span, before `base` is added: where its header is; and where the signature is, -1 for none.
  const double* places;
  const double* signatures;
  double base;
  uint64_t date;
  std::string_view kind;
};

// A comma and a line feed between lines, none behind the last. What lines of before refer to is noted in `used`. False if
// an entry, or a line of before, is not plain.
bool write_span_lines(std::string& out, const ListedDirectory& directory, size_t begin, size_t end,
                     const StoredFiles& files, const PreviousLines& previous, LineMatcher* used, OwnerNames& owners);

}  // namespace ibt
