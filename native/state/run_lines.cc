#include "run_lines.h"

#include "../fs/files.h"
#include "../fs/stat.h"

namespace ibt {
namespace {

constexpr size_t SHA256_BYTES = 32;

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
  out += ",\"sha256\":\"";
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
  if (files.flags[file] & FILE_RACY) out += ",\"racy\":true";
}

}  // namespace

bool write_run_lines(std::string& out, const ListedDirectory& directory, size_t begin, size_t end,
                     const StoredFiles& files, OwnerNames& owners) {
  size_t file = files.first;
  for (size_t i = begin; i < end; i++) {
    if (i > begin) out += ",\n";
    const bool is_file = directory.stats.types[i] == TYPE_FILE;
    const StatColumns& stats = is_file ? files.stats : directory.stats;
    if (!write_metadata(out, directory, i, stats, is_file ? file : i, owners)) return false;
    if (is_file) append_content(out, files, file++, i - begin);
    out += '}';
  }
  return true;
}

}  // namespace ibt
