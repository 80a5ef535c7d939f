#include "line_text.h"

#include <charconv>
#include <optional>

#include "../fs/owners.h"
#include "../fs/stat.h"

namespace ibt {
namespace {

constexpr int DIGITS_MAX = 20;

template <class T>
void append_number(std::string& out, T value) {
  char digits[DIGITS_MAX + 1];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
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

const std::string* OwnerFields::find(uint32_t uid, uint32_t gid) {
  const uint64_t key = static_cast<uint64_t>(uid) << 32 | gid;
  auto found = known_.find(key);
  if (found == known_.end()) found = known_.emplace(key, make(uid, gid)).first;
  return found->second.is_plain ? &found->second.text : nullptr;
}

OwnerFields::Field OwnerFields::make(uint32_t uid, uint32_t gid) const {
  Field field;
  const auto add = [&](std::string_view start, const std::optional<std::string>& name) {
    if (!name) return;
    field.text.append(start).append(*name).append("\"");
    field.is_plain &= is_plain(*name);
  };
  add(",\"uname\":\"", user_name_of(uid));
  add(",\"gname\":\"", group_name_of(gid));
  return field;
}

bool write_metadata(std::string& out, std::string_view directory, std::string_view name, std::string_view linkname,
                    const StatColumns& stats, size_t index, OwnerFields& owners) {
  const uint8_t type = stats.types[index];
  const std::string* owner = owners.find(stats.uids[index], stats.gids[index]);
  if (owner == nullptr) return false;
  out += "{\"path\":\"";
  if (!directory.empty()) {
    if (!append_text(out, directory)) return false;
    out += '/';
  }
  if (!append_text(out, name)) return false;
  out.append("\",\"type\":\"").append(type_name(type)).append("\",\"mode\":");
  append_number(out, stats.modes[index] & 07777);
  out += ",\"uid\":";
  append_number(out, stats.uids[index]);
  out += ",\"gid\":";
  append_number(out, stats.gids[index]);
  out.append(*owner).append(",\"mtimeNs\":\"");
  append_number(out, stats.mtimes_ns[index]);
  out += "\",\"ctimeNs\":\"";
  append_number(out, stats.ctimes_ns[index]);
  out += "\",\"ino\":\"";
  append_number(out, stats.inos[index]);
  out += '"';
  if (type == TYPE_FILE) {
    out += ",\"sizeBytes\":";
    append_number(out, static_cast<uint64_t>(stats.sizes[index]));
    if (stats.sparse[index] == 1) out += ",\"sparse\":true";
  }
  if (type != TYPE_SYMLINK) return true;
  out += ",\"linkname\":\"";
  const bool is_known = append_text(out, linkname) && !linkname.empty();
  out += '"';
  return is_known;
}

}  // namespace ibt
