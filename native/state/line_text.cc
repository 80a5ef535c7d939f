#include "line_text.h"

#include <charconv>
#include <optional>

#include "../fs/stat.h"

namespace ibt {
namespace {

constexpr int DIGITS_MAX = 20;

template <class T>
void append_digits(std::string& out, T value) {
  char digits[DIGITS_MAX + 1];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
}

bool append_owner(std::string& out, std::string_view start, const std::optional<std::string>& name) {
  if (!name) return true;
  out.append(start).append(*name).append("\"");
  return is_plain(*name);
}

bool append_text(std::string& out, std::string_view text) {
  out.append(text);
  return is_plain(text);
}

std::string_view type_name(uint8_t type) {
  return type == TYPE_FILE ? "file" : type == TYPE_DIRECTORY ? "directory" : "symlink";
}

}  // namespace

bool is_plain(std::string_view text) {
  bool plain = true;
  for (const char character : text) {
    plain &= static_cast<uint8_t>(character) >= ' ' && character != '"' && character != '\\';
  }
  return plain;
}

void append_number(std::string& out, uint64_t value) { append_digits(out, value); }

bool write_metadata(std::string& out, const ListedDirectory& directory, size_t entry, const StatColumns& stats,
                    size_t index, OwnerNames& owners) {
  const uint8_t type = stats.types[index];
  const OwnerNames::Names& owner = owners.find(stats.uids[index], stats.gids[index]);
  out += "{\"path\":\"";
  if (!directory.path.empty()) {
    if (!append_text(out, directory.path)) return false;
    out += '/';
  }
  if (!append_text(out, directory.names[entry])) return false;
  out.append("\",\"type\":\"").append(type_name(type)).append("\",\"mode\":");
  append_digits(out, stats.modes[index] & 07777);
  out += ",\"uid\":";
  append_digits(out, stats.uids[index]);
  out += ",\"gid\":";
  append_digits(out, stats.gids[index]);
  if (!append_owner(out, ",\"uname\":\"", owner.user) || !append_owner(out, ",\"gname\":\"", owner.group)) return false;
  out += ",\"mtimeNs\":\"";
  append_digits(out, stats.mtimes_ns[index]);
  out += "\",\"ctimeNs\":\"";
  append_digits(out, stats.ctimes_ns[index]);
  out += "\",\"ino\":\"";
  append_digits(out, stats.inos[index]);
  out += '"';
  if (type == TYPE_FILE) {
    out += ",\"sizeBytes\":";
    append_digits(out, static_cast<uint64_t>(stats.sizes[index]));
    if (stats.sparse[index] == 1) out += ",\"sparse\":true";
  }
  if (type != TYPE_SYMLINK) return true;
  const std::string_view linkname = directory.linknames[entry];
  out += ",\"linkname\":\"";
  const bool is_known = append_text(out, linkname) && !linkname.empty();
  out += '"';
  return is_known;
}

}  // namespace ibt
