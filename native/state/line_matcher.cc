#include "line_matcher.h"

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

}  // namespace

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
