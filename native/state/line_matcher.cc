#include "line_matcher.h"

#include <algorithm>

#include "../fs/stat.h"

namespace ibt {
namespace {

constexpr size_t NO_MATCH = static_cast<size_t>(-1);
constexpr size_t SHA256_DIGITS = 64;
// Digits of a number that is a safe integer whatever they are.
constexpr size_t SAFE_DIGITS = 15;
constexpr uint64_t BLOCK_BYTES = 512;

bool take(std::string_view lines, size_t& at, std::string_view expected) {
  if (lines.compare(at, expected.size(), expected) != 0) return false;
  at += expected.size();
  return true;
}

bool take_number(std::string_view lines, size_t& at, uint64_t& value) {
  const size_t start = at;
  value = 0;
  for (; at < lines.size() && lines[at] >= '0' && lines[at] <= '9'; at++) {
    value = value * 10 + static_cast<uint64_t>(lines[at] - '0');
    if (at - start >= SAFE_DIGITS) return false;
  }
  const bool has_zero_ahead = at - start > 1 && lines[start] == '0';
  return at > start && !has_zero_ahead;
}

bool take_sha256(std::string_view lines, size_t& at) {
  if (lines.size() - at < SHA256_DIGITS) return false;
  for (const size_t end = at + SHA256_DIGITS; at < end; at++) {
    const char digit = lines[at];
    if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) return false;
  }
  return true;
}

constexpr std::string_view PATH_START("{\"path\":\"");
constexpr std::string_view TYPE_FIELD(",\"type\":\"");
constexpr std::string_view LINE_END("},\n");

// Where the text that begins at `at` ends, at a quote; NO_MATCH if it has to be decoded.
size_t plain_text_end(std::string_view lines, size_t at) {
  for (; at < lines.size(); at++) {
    const auto character = static_cast<uint8_t>(lines[at]);
    if (character == '"') return at;
    if (character < ' ' || character == '\\') return NO_MATCH;
  }
  return NO_MATCH;
}

// `/` is below every other byte.
uint8_t rank(char character) { return character == '/' ? 0 : static_cast<uint8_t>(character); }

int compare_paths(std::string_view a, std::string_view b) {
  const size_t shorter = std::min(a.size(), b.size());
  for (size_t i = 0; i < shorter; i++) {
    if (a[i] != b[i]) return rank(a[i]) < rank(b[i]) ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

void append_path(std::string& out, const ListedDirectory& directory, size_t entry) {
  out.append(directory.path);
  if (!directory.path.empty()) out += '/';
  out.append(directory.names[entry]);
}

// A field of text or of digits between quotes: whether it is there, and what it holds.
bool take_text(std::string_view lines, size_t& at, std::string_view start, std::string_view& text) {
  if (!take(lines, at, start)) return false;
  const size_t end = plain_text_end(lines, at);
  if (end == NO_MATCH) return false;
  text = lines.substr(at, end - at);
  at = end + 1;
  return true;
}

}  // namespace

namespace {

// Compares an optional field of the two texts. False if the line's is not plain.
bool compare_field(std::string_view now, size_t& now_at, std::string_view lines, size_t& at, std::string_view start,
                   uint8_t bit, uint8_t& differences) {
  std::string_view mine, line;
  const bool has_mine = now.compare(now_at, start.size(), start) == 0;
  const bool has_line = lines.compare(at, start.size(), start) == 0;
  if (has_mine && !take_text(now, now_at, start, mine)) return false;
  if (has_line && !take_text(lines, at, start, line)) return false;
  if (has_mine != has_line || mine != line) differences |= bit;
  return true;
}

bool compare_number(std::string_view now, size_t& now_at, std::string_view lines, size_t& at, std::string_view start,
                    uint8_t bit, uint8_t& differences) {
  uint64_t mine, line;
  if (!take(now, now_at, start) || !take_number(now, now_at, mine)) return false;
  if (!take(lines, at, start) || !take_number(lines, at, line)) return false;
  if (mine != line) differences |= bit;
  return true;
}

// Of two starts of lines, of the same path: what they say otherwise. Where the line's metadata end; 0 if it has another type,
// or other fields, or is not written as it should be.
size_t compare_metadata(std::string_view now, std::string_view lines, size_t start, size_t path_bytes,
                        uint8_t& differences) {
  size_t mine = path_bytes, at = start + path_bytes;
  std::string_view type, line_type;
  if (!take_text(now, mine, TYPE_FIELD, type) || !take_text(lines, at, TYPE_FIELD, line_type)) return 0;
  if (type != line_type) return 0;
  const auto number = [&](std::string_view field, uint8_t bit) {
    return compare_number(now, mine, lines, at, field, bit, differences);
  };
  const auto text = [&](std::string_view field, uint8_t bit) {
    return compare_field(now, mine, lines, at, field, bit, differences);
  };
  const bool is_read = number(",\"mode\":", DIFFERENT_METADATA) && number(",\"uid\":", DIFFERENT_METADATA) &&
                       number(",\"gid\":", DIFFERENT_METADATA) && text(",\"uname\":\"", DIFFERENT_METADATA) &&
                       text(",\"gname\":\"", DIFFERENT_METADATA) && text(",\"mtimeNs\":\"", DIFFERENT_MTIME) &&
                       text(",\"ctimeNs\":\"", DIFFERENT_CTIME) && text(",\"ino\":\"", DIFFERENT_INODE);
  if (!is_read) return 0;
  if (type == "file") {
    if (!number(",\"sizeBytes\":", DIFFERENT_SIZE)) return 0;
    const bool is_sparse = take(now, mine, ",\"sparse\":true");
    if (is_sparse != take(lines, at, ",\"sparse\":true")) return 0;
  }
  if (type == "symlink" && !text(",\"linkname\":\"", DIFFERENT_LINKNAME)) return 0;
  return mine == now.size() ? at : 0;
}

}  // namespace

MatchedLines LineMatcher::compare(const ListedDirectory& directory, size_t begin, size_t end, std::string_view lines,
                                  size_t start, size_t same_max, const ComparedEntries& found) {
  MatchedLines compared;
  compared.end = start;
  size_t same = 0;
  for (size_t i = begin; i < end && same < same_max; i++) {
    const size_t line = compared.end;
    size_t at = line;
    if (!take(lines, at, PATH_START)) break;
    const size_t path_end = plain_text_end(lines, at);
    // A path that is not UTF-8 is followed by its bytes: what stands before is not it.
    if (path_end == NO_MATCH || lines.compare(path_end + 1, TYPE_FIELD.size(), TYPE_FIELD) != 0) break;
    text_.clear();
    append_path(text_, directory, i);
    const int order = compare_paths(text_, lines.substr(at, path_end - at));
    const size_t out = i - begin;
    if (order > 0) break;
    found.differences[out] = 0;
    found.starts[out] = found.ends[out] = found.digests[out] = 0;
    if (order < 0) {
      found.codes[out] = LINE_NONE;
      same = 0;
    } else {
      const size_t line_end =
          compare_line(directory, i, lines, line, path_end, found.differences[out], found.digests[out]);
      if (line_end == 0) break;
      found.starts[out] = static_cast<uint32_t>(line);
      found.ends[out] = static_cast<uint32_t>(line_end);
      compared.end = line_end + 2;
      const bool is_same = found.differences[out] == 0;
      found.codes[out] = is_same ? LINE_SAME : LINE_DIFFERENT;
      same = is_same ? same + 1 : 0;
    }
    compared.lines++;
  }
  return compared;
}

size_t LineMatcher::compare_line(const ListedDirectory& directory, size_t entry, std::string_view lines, size_t start,
                                 size_t path_end, uint8_t& differences, uint32_t& digest) {
  const StatColumns& stats = directory.stats;
  text_.clear();
  if (!write_metadata(text_, directory, entry, stats, entry, owners_)) return 0;
  const bool is_file = stats.types[entry] == TYPE_FILE;
  size_t at = start;
  differences = 0;
  if (!take(lines, at, text_)) {
    at = compare_metadata(text_, lines, start, path_end + 1 - start, differences);
    if (at == 0) return 0;
  }
  if (is_file) {
    digest = static_cast<uint32_t>(at + std::string_view(",\"sha256\":\"").size());
    uses_.clear();
    at = match_content(lines, at);
    if (at == NO_MATCH) return 0;
  }
  return lines.compare(at, LINE_END.size(), LINE_END) == 0 ? at + 1 : 0;
}

bool LineMatcher::use_content(std::string_view lines, size_t digest) {
  uses_.clear();
  const size_t start = std::string_view(",\"sha256\":\"").size();
  if (digest < start || match_content(lines, digest - start) == NO_MATCH) return false;
  for (const Use& use : uses_) used_[use.date] |= use.kind;
  return true;
}

MatchedLines LineMatcher::match(const ListedDirectory& directory, size_t begin, size_t end, std::string_view lines,
                                size_t start) {
  const StatColumns& stats = directory.stats;
  MatchedLines matched;
  matched.end = start;
  for (size_t i = begin; i < end; i++) {
    text_.clear();
    if (!write_metadata(text_, directory, i, stats, i, owners_)) break;
    size_t at = matched.end;
    if (!take(lines, at, text_)) break;
    const bool is_file = stats.types[i] == TYPE_FILE;
    uses_.clear();
    if (is_file) at = match_content(lines, at);
    if (at == NO_MATCH || !take(lines, at, "},\n")) break;
    for (const Use& use : uses_) used_[use.date] |= use.kind;
    if (is_file) {
      matched.files++;
      matched.size_bytes += stats.sizes[i];
    }
    matched.lines++;
    matched.end = at;
  }
  return matched;
}

// Digest, places and signature of a file, which has all but the last. Returns where they end.
size_t LineMatcher::match_content(std::string_view lines, size_t at) {
  if (!take(lines, at, ",\"sha256\":\"") || !take_sha256(lines, at)) return NO_MATCH;
  if (!take(lines, at, "\",\"content\":[") || !match_place(lines, at, true)) return NO_MATCH;
  while (take(lines, at, ",")) {
    if (!match_place(lines, at, false)) return NO_MATCH;
  }
  if (!take(lines, at, "]")) return NO_MATCH;
  if (!take(lines, at, ",\"signature\":{\"date\":")) return at;
  uint64_t date, offset;
  if (!take_number(lines, at, date) || !take(lines, at, ",\"offset\":")) return NO_MATCH;
  if (!take_number(lines, at, offset) || !take(lines, at, "}")) return NO_MATCH;
  if (date >= used_.size() || offset % BLOCK_BYTES != 0) return NO_MATCH;
  uses_.push_back({static_cast<size_t>(date), USED_SIGVAULT});
  return at;
}

bool LineMatcher::match_place(std::string_view lines, size_t& at, bool is_first) {
  uint64_t date, offset, size;
  if (!take(lines, at, "{\"date\":") || !take_number(lines, at, date)) return false;
  uint8_t kind = 0;
  if (take(lines, at, ",\"in\":\"updated\"")) kind = USED_UPDATED;
  else if (is_first && take(lines, at, ",\"in\":\"full\"")) kind = USED_FULL;
  else if (is_first && take(lines, at, ",\"in\":\"created\"")) kind = USED_CREATED;
  else return false;
  if (!take(lines, at, ",\"offset\":") || !take_number(lines, at, offset)) return false;
  if (take(lines, at, ",\"sizeBytes\":") && !take_number(lines, at, size)) return false;
  if (!take(lines, at, "}") || date >= used_.size() || offset % BLOCK_BYTES != 0) return false;
  uses_.push_back({static_cast<size_t>(date), kind});
  return true;
}

}  // namespace ibt
