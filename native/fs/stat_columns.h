// The columns of `pack_columns`, read where they are.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ibt {

struct StatColumns {
  static constexpr size_t ENTRY_BYTES = 5 * 8 + 7 * 4 + 2;

  // `bytes` are `count * ENTRY_BYTES`, aligned to eight.
  StatColumns(const uint8_t* bytes, size_t count)
      : sizes(reinterpret_cast<const double*>(bytes)),
        inos(reinterpret_cast<const uint64_t*>(bytes + 16 * count)),
        mtimes_ns(reinterpret_cast<const int64_t*>(bytes + 24 * count)),
        ctimes_ns(reinterpret_cast<const int64_t*>(bytes + 32 * count)),
        modes(reinterpret_cast<const uint32_t*>(bytes + 40 * count)),
        uids(reinterpret_cast<const uint32_t*>(bytes + 44 * count)),
        gids(reinterpret_cast<const uint32_t*>(bytes + 48 * count)),
        types(bytes + 68 * count),
        sparse(bytes + 69 * count) {}

  const double* sizes;
  const uint64_t* inos;
  const int64_t* mtimes_ns;
  const int64_t* ctimes_ns;
  const uint32_t* modes;
  const uint32_t* uids;
  const uint32_t* gids;
  const uint8_t* types;
  const uint8_t* sparse;
};

}  // namespace ibt
