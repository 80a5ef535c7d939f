// The start of a line of a state: the metadata of an entry as src/format/state-encode.ts writes them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "../fs/listed.h"
#include "../fs/owners.h"

namespace ibt {

// Whether JSON holds the bytes as they are: no quote, backslash or control character. (UTF-8 or not is not asked.)
bool is_plain(std::string_view text);

// Writes the metadata of one listed file, directory or symlink, from the brace up to the last field that a listing knows.
// `stats` are its directory's, or newer ones. False, with the text unfinished, if one of its names does not stand for
// itself in JSON.
bool write_metadata(std::string& out, const ListedDirectory& directory, size_t entry, const StatColumns& stats,
                    size_t index, OwnerNames& owners);

void append_number(std::string& out, uint64_t value);

}  // namespace ibt
