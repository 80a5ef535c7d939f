// Headers of plain entries, byte by byte as src/format/tar-encode.ts writes them.
#pragma once
#include <cstdint>

#include "../fs/listed.h"
#include "../fs/owners.h"

namespace ibt {

constexpr size_t TAR_BLOCK_BYTES = 512;

// Zeros that fill a body up to whole blocks.
inline size_t tar_padding(size_t size) { return (TAR_BLOCK_BYTES - size % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES; }

// Bytes of the header of a listed file, directory or symlink, with the record of its time if it needs one. 0 if it is not
// plain: names that are longer than their fields or not ASCII, numbers that do not fit. `stats` are the directory's, or
// newer ones.
size_t tar_header_bytes(const ListedDirectory& directory, size_t entry, const StatColumns& stats, size_t index,
                        OwnerNames& owners);

// Writes the header of a plain entry.
void write_tar_header(uint8_t* out, const ListedDirectory& directory, size_t entry, const StatColumns& stats,
                      size_t index, OwnerNames& owners);

}  // namespace ibt
