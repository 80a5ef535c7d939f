#include "span_writer.h"

#include "../fs/stat.h"
#include "../state/span_lines.h"
#include "../tar/header.h"
#include "arguments.h"
#include "listed_columns.h"
#include "results.h"
#include "state_lines.h"
#include "wrapped.h"

namespace ibt {
namespace {

constexpr size_t SHA256_BYTES = 32;

struct SpanWriter {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x72756e0000000001};
  OwnerNames owners;
};

std::shared_ptr<SpanWriter> writer(const Napi::CallbackInfo& info) {
  return Wrapped<SpanWriter>::get(info.Env(), info[0], "span writer");
}

bool is_file(const ListedDirectory& directory, size_t entry) { return directory.stats.types[entry] == TYPE_FILE; }

// Files that were read, of which those of the span come one behind the other.
struct ReadFiles {
  size_t count;
  size_t first;
  StatColumns stats;
};

// Undefined: all entries of the range were stored.
const uint8_t* treatments(const Napi::CallbackInfo& info, size_t index, const EntryRange& range) {
  if (info[index].IsUndefined()) return nullptr;
  const Span span = view(info[index], "treatments", napi_uint8_array);
  if (span.size < range.end - range.begin) throw Napi::RangeError::New(info.Env(), "fewer treatments than entries");
  return span.data;
}

const uint32_t* offsets_of_lines(const Napi::CallbackInfo& info, size_t index, const char* name, size_t count) {
  const Span span = view(info[index], name, napi_uint32_array);
  if (span.size < count * sizeof(uint32_t)) throw Napi::RangeError::New(info.Env(), std::string(name) + " are too few");
  return reinterpret_cast<const uint32_t*>(span.data);
}

bool is_stored(const uint8_t* treatments, size_t index) {
  return treatments == nullptr || treatments[index] == TREAT_STORED;
}

bool is_read(const uint8_t* treatments, size_t index) {
  return is_stored(treatments, index) || treatments[index] == TREAT_SAME;
}

// (…, columns, count, first, begin, end, …)
ReadFiles read_files(const Napi::CallbackInfo& info, size_t index, const ListedDirectory& directory,
                     const EntryRange& range, const uint8_t* treated) {
  const auto count = static_cast<size_t>(integer(info, index + 1, "count", 0, COUNT_MAX));
  const auto first = static_cast<size_t>(integer(info, index + 2, "first", 0, static_cast<double>(count)));
  size_t files = 0;
  for (size_t i = range.begin; i < range.end; i++) {
    files += is_file(directory, i) && is_read(treated, i - range.begin) ? 1 : 0;
  }
  if (files > count - first) throw Napi::RangeError::New(info.Env(), "fewer files were read than the span has");
  return {count, first, stat_columns(info, index, count)};
}

}  // namespace

Napi::Value create_span_writer(const Napi::CallbackInfo& info) {
  return Wrapped<SpanWriter>::make(info.Env(), std::make_shared<SpanWriter>(), sizeof(SpanWriter));
}

// (writer, directory…, begin, end): bytes of each header, 0 for an entry that is not plain
Napi::Value plan_headers(const Napi::CallbackInfo& info) {
  const auto run = writer(info);
  const ListedDirectory directory = listed_directory(info, 1);
  const EntryRange range = entry_range(info, 1 + DIRECTORY_ARGUMENTS, directory.count);
  std::vector<uint32_t> sizes;
  std::string text;
  for (size_t i = range.begin; i < range.end; i++) {
    text.clear();
    const bool has_line = write_metadata(text, directory, i, directory.stats, i, run->owners);
    const size_t size = has_line ? tar_header_bytes(directory, i, directory.stats, i, run->owners) : 0;
    sizes.push_back(static_cast<uint32_t>(size));
  }
  return to_uint32_array(info.Env(), sizes);
}

// (writer, directory…, columns, count, first, begin, end, offsets, slab, at, places, treatments): where the span ends in the slab, or
// -1 if the contents do not stand where headers leave them
Napi::Value write_headers(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto run = writer(info);
  const ListedDirectory directory = listed_directory(info, 1);
  const size_t next = 1 + DIRECTORY_ARGUMENTS;
  const EntryRange range = entry_range(info, next + 3, directory.count);
  const uint8_t* const treated = treatments(info, next + 9, range);
  const ReadFiles files = read_files(info, next, directory, range, treated);
  double at = integer(info, next + 7, "at", 0, SAFE_MAX);
  const double* const offsets = numbers(info, next + 5, "offsets", files.count + 1);
  const Span slab = view(info[next + 6], "slab", napi_uint8_array);
  double* const places = numbers(info, next + 8, "places", range.end - range.begin);
  size_t file = files.first;
  for (size_t i = range.begin; i < range.end; i++) {
    if (!is_stored(treated, i - range.begin)) {
      places[i - range.begin] = -1;
      if (is_read(treated, i - range.begin)) file++;
      continue;
    }
    const bool has_content = is_file(directory, i);
    const StatColumns& stats = has_content ? files.stats : directory.stats;
    const size_t index = has_content ? file : i;
    const size_t header = tar_header_bytes(directory, i, stats, index, run->owners);
    const double body = at + static_cast<double>(header);
    const double size_read = has_content ? stats.sizes[index] : 0;
    const bool is_in_place = !has_content || (stats.types[index] == TYPE_FILE && offsets[index] == body);
    const bool is_inside = size_read >= 0 && body + size_read <= static_cast<double>(slab.size);
    if (header == 0 || !is_in_place || !is_inside) return Napi::Number::New(env, -1);
    write_tar_header(const_cast<uint8_t*>(slab.data) + static_cast<size_t>(at), directory, i, stats, index, run->owners);
    places[i - range.begin] = at;
    at = body;
    if (!has_content) continue;
    const auto size = static_cast<size_t>(size_read);
    at += static_cast<double>(size + tar_padding(size));
    file++;
  }
  return Napi::Number::New(env, at);
}

// (writer, directory…, columns, count, first, begin, end, flags, sha256, places, base, signatures, date, kind, treatments,
// lines, starts, ends, digests, matcher): the lines; those behind the kind are undefined where all entries were stored
Napi::Value write_lines(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto run = writer(info);
  const ListedDirectory directory = listed_directory(info, 1);
  const size_t next = 1 + DIRECTORY_ARGUMENTS;
  const EntryRange range = entry_range(info, next + 3, directory.count);
  const uint8_t* const treated = treatments(info, next + 12, range);
  const ReadFiles files = read_files(info, next, directory, range, treated);
  const double base = integer(info, next + 8, "base", 0, SAFE_MAX);
  const double date = integer(info, next + 10, "date", 0, COUNT_MAX);
  if (!info[next + 11].IsString()) throw Napi::TypeError::New(env, "kind is not a string");
  const std::string kind = info[next + 11].As<Napi::String>().Utf8Value();
  const Span flags = view(info[next + 5], "flags", napi_uint8_array);
  const Span sha256 = view(info[next + 6], "sha256", napi_uint8_array);
  if (flags.size < files.count || sha256.size < files.count * SHA256_BYTES) {
    throw Napi::RangeError::New(env, "flags and digests are not those of the files");
  }
  const size_t count = range.end - range.begin;
  const double* const places = numbers(info, next + 7, "places", count);
  const double* const signatures = numbers(info, next + 9, "signatures", count);
  std::string lines;
  const StoredFiles stored{files.stats, files.first, flags.data, sha256.data, places, signatures, base,
                           static_cast<uint64_t>(date), kind};
  PreviousLines previous{treated, {}, nullptr, nullptr, nullptr};
  std::shared_ptr<Matcher> matcher;
  if (treated != nullptr) {
    const Span text = view(info[next + 13], "lines", napi_uint8_array);
    previous.lines = {reinterpret_cast<const char*>(text.data), text.size};
    previous.starts = offsets_of_lines(info, next + 14, "starts", count);
    previous.ends = offsets_of_lines(info, next + 15, "ends", count);
    previous.digests = offsets_of_lines(info, next + 16, "digests", count);
    matcher = Wrapped<Matcher>::get(env, info[next + 17], "matcher");
    for (size_t i = 0; i < count; i++) {
      const bool is_inside = previous.starts[i] < previous.ends[i] && previous.ends[i] <= text.size &&
                             previous.digests[i] <= previous.ends[i];
      if (treated[i] != TREAT_STORED && !is_inside) throw Napi::RangeError::New(env, "a line is out of range");
    }
  }
  LineMatcher* const used = matcher == nullptr ? nullptr : &matcher->lines;
  if (!write_span_lines(lines, directory, range.begin, range.end, stored, previous, used, run->owners)) {
    throw Napi::TypeError::New(env, "an entry is not plain");
  }
  return Napi::Buffer<uint8_t>::Copy(env, reinterpret_cast<const uint8_t*>(lines.data()), lines.size());
}

}  // namespace ibt
