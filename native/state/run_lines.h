// The lines of plain entries that were stored just now.
#pragma once
#include <string>

#include "line_text.h"

namespace ibt {

struct StoredFiles {
  StatColumns stats;
  size_t first;
  const uint8_t* flags;
  const uint8_t* sha256;
  // By entry of the run, before `base` is added: where its header is; and where the signature is, -1 for none.
  const double* places;
  const double* signatures;
  double base;
  uint64_t date;
  std::string_view kind;
};

// A comma and a line feed between lines, none behind the last. False if an entry is not plain.
bool write_run_lines(std::string& out, const ListedDirectory& directory, size_t begin, size_t end,
                     const StoredFiles& files, OwnerNames& owners);

}  // namespace ibt
