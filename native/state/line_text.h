// The start of a line of a state: the metadata of an entry as src/format/state-encode.ts writes them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "../fs/stat_columns.h"

namespace ibt {

// Names of owners as fields of a line, asked for once.
class OwnerFields {
 public:
  // `,"uname":"…","gname":"…"` for those that have names. Null if a name does not stand for itself in JSON.
  const std::string* find(uint32_t uid, uint32_t gid);

 private:
  struct Field {
    std::string text;
    bool is_plain = true;
  };
  Field make(uint32_t uid, uint32_t gid) const;

  std::unordered_map<uint64_t, Field> known_;
};

// Whether JSON holds the bytes as they are: no quote, backslash or control character. (UTF-8 or not is not asked.)
bool is_plain(std::string_view text);

// Writes the metadata of one listed file, directory or symlink, from the brace up to the last field that a listing knows.
// False, with the text unfinished, if one of its names does not stand for itself in JSON.
bool write_metadata(std::string& out, std::string_view directory, std::string_view name, std::string_view linkname,
                    const StatColumns& stats, size_t index, OwnerFields& owners);

}  // namespace ibt
