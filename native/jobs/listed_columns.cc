#include "listed_columns.h"

#include "arguments.h"

namespace ibt {
namespace {

std::string_view text(Span span) { return {reinterpret_cast<const char*>(span.data), span.size}; }

ListedNames names(const Napi::CallbackInfo& info, size_t index, const char* name, size_t& count) {
  const std::string_view bytes_of_names = text(view(info[index], name, napi_uint8_array));
  const Span offsets = view(info[index + 1], name, napi_uint32_array);
  const size_t found = offsets.size / sizeof(uint32_t);
  if (found == 0 || (count > 0 && found != count + 1)) {
    throw Napi::RangeError::New(info.Env(), std::string(name) + " are not those of a listing");
  }
  count = found - 1;
  return {bytes_of_names, reinterpret_cast<const uint32_t*>(offsets.data)};
}

}  // namespace

ListedDirectory listed_directory(const Napi::CallbackInfo& info, size_t index) {
  size_t count = 0;
  const std::string_view path = text(view(info[index], "path", napi_uint8_array));
  const ListedNames entry_names = names(info, index + 2, "names", count);
  const ListedNames linknames = names(info, index + 4, "linknames", count);
  return {path, count, stat_columns(info, index + 1, count), entry_names, linknames};
}

StatColumns stat_columns(const Napi::CallbackInfo& info, size_t index, size_t count) {
  const Span span = view(info[index], "columns", napi_uint8_array);
  const bool is_aligned = reinterpret_cast<uintptr_t>(span.data) % alignof(double) == 0;
  if (span.size == count * StatColumns::ENTRY_BYTES && is_aligned) return {span.data, count};
  throw Napi::RangeError::New(info.Env(), "columns are not those of so many entries");
}

double* numbers(const Napi::CallbackInfo& info, size_t index, const char* name, size_t count) {
  const Span span = view(info[index], name, napi_float64_array);
  if (span.size >= count * sizeof(double)) return reinterpret_cast<double*>(const_cast<uint8_t*>(span.data));
  throw Napi::RangeError::New(info.Env(), std::string(name) + " has fewer than " + std::to_string(count) + " elements");
}

EntryRange entry_range(const Napi::CallbackInfo& info, size_t index, size_t count) {
  const double max = static_cast<double>(count);
  const double end = integer(info, index + 1, "end", 0, max);
  return {static_cast<size_t>(integer(info, index, "begin", 0, end)), static_cast<size_t>(end)};
}

}  // namespace ibt
