// Columns that JavaScript has of listed directories and of files that were read.
#pragma once
#include <napi.h>

#include "../fs/listed.h"

namespace ibt {

constexpr size_t DIRECTORY_ARGUMENTS = 6;

// (…, path, columns, names, nameOffsets, linknames, linknameOffsets, …), from `index` on. Not held: for calls that are
// over before JavaScript goes on.
ListedDirectory listed_directory(const Napi::CallbackInfo& info, size_t index);

// (…, columns, …) of `count` entries.
StatColumns stat_columns(const Napi::CallbackInfo& info, size_t index, size_t count);

// Numbers that JavaScript keeps between calls, at least `count`.
double* numbers(const Napi::CallbackInfo& info, size_t index, const char* name, size_t count);

// A begin and an end of entries. Throws RangeError.
struct EntryRange {
  size_t begin;
  size_t end;
};
EntryRange entry_range(const Napi::CallbackInfo& info, size_t index, size_t count);

}  // namespace ibt
