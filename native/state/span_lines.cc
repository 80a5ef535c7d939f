#include "span_lines.h"

#include "../fs/files.h"
#include "../fs/stat.h"

namespace ibt {
namespace {

constexpr size_t SHA256_BYTES = 32;
constexpr std::string_view RACY(",\"racy\":true");
constexpr std::string_view SHA256_FIELD(",\"sha256\":\"");

void append_hex(std::string& out, const uint8_t* bytes, size_t length) {
  constexpr char DIGITS[] = "0123456789abcdef";
  for (size_t i = 0; i < length; i++) {
    out += DIGITS[bytes[i] >> 4];
    out += DIGITS[bytes[i] & 15];
  }
}

void append_place(std::string& out, uint64_t date, double offset) {
  out += "{\"date\":";
  append_number(out, date);
  out += ",\"offset\":";
  append_number(out, static_cast<uint64_t>(offset));
  out += '}';
}

void append_content(std::string& out, const StoredFiles& files, size_t file, size_t entry) {
  out += SHA256_FIELD;
  append_hex(out, files.sha256 + file * SHA256_BYTES, SHA256_BYTES);
  out += "\",\"content\":[{\"date\":";
  append_number(out, files.date);
  out.append(",\"in\":\"").append(files.kind).append("\",\"offset\":");
  append_number(out, static_cast<uint64_t>(files.base + files.places[entry]));
  out += "}]";
  if (files.signatures[entry] >= 0) {
    out += ",\"signature\":";
    append_place(out, files.date, files.signatures[entry]);
  }
  if (files.flags[file] & FILE_RACY) out += RACY;
}

}  // namespace

bool write_span_lines(std::string& out, const ListedDirectory& directory, size_t begin, size_t end,
                     const StoredFiles& files, const PreviousLines& previous, LineMatcher* used, OwnerNames& owners) {
  size_t file = files.first;
  for (size_t i = begin; i < end; i++) {
    if (i > begin) out += ",\n";
    const size_t at = i - begin;
    const uint8_t treatment = previous.treatments == nullptr ? static_cast<uint8_t>(TREAT_STORED) : previous.treatments[at];
    const bool is_file = directory.stats.types[i] == TYPE_FILE;
    if (treatment == TREAT_STORED) {
      const StatColumns& stats = is_file ? files.stats : directory.stats;
      if (!write_metadata(out, directory, i, stats, is_file ? file : i, owners)) return false;
      if (is_file) append_content(out, files, file++, at);
      out += '}';
      continue;
    }
    if (is_file && (used == nullptr || !used->use_content(previous.lines, previous.digests[at]))) return false;
    size_t from = previous.starts[at];
    bool is_racy = false;
    if (treatment != TREAT_COPIED) {
      const bool is_read = treatment == TREAT_SAME;
      is_racy = is_read && (files.flags[file] & FILE_RACY);
      const StatColumns& stats = is_read ? files.stats : directory.stats;
      if (!write_metadata(out, directory, i, stats, is_read ? file++ : i, owners)) return false;
      from = is_file ? previous.digests[at] - SHA256_FIELD.size() : previous.ends[at] - 1;
    }
    out.append(previous.lines.substr(from, previous.ends[at] - 1 - from));
    if (is_racy) out += RACY;
    out += '}';
  }
  return true;
}

}  // namespace ibt
