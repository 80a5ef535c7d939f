// A directory as it was listed, in the columns that JavaScript has of it.
#pragma once
#include <cstddef>
#include <string_view>

#include "stat_columns.h"

namespace ibt {

// Strings one behind the other, each ended by NUL; string i begins at `offsets[i]`, and there is one offset more.
struct ListedNames {
  std::string_view bytes;
  const uint32_t* offsets;

  // Empty where the offsets make no sense.
  std::string_view operator[](size_t i) const {
    const size_t start = offsets[i];
    const size_t end = offsets[i + 1];
    return start < end && end <= bytes.size() ? bytes.substr(start, end - start - 1) : std::string_view();
  }
};

struct ListedDirectory {
  std::string_view path;  // Empty for the root.
  size_t count;
  StatColumns stats;
  ListedNames names;
  ListedNames linknames;
};

}  // namespace ibt
