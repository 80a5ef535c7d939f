#include "state_lines.h"

#include "../state/line_matcher.h"
#include "arguments.h"
#include "results.h"
#include "wrapped.h"

namespace ibt {
namespace {

constexpr double CHAIN_MAX = 1 << 20;
constexpr double COUNT_MAX = 0x7fffffff;
constexpr double SAFE_MAX = 9007199254740991.0;

struct Matcher {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x6c696e6573000001};
  LineMatcher lines;
};

std::string_view text(Span span) { return {reinterpret_cast<const char*>(span.data), span.size}; }

// Numbers that JavaScript keeps between calls.
double* numbers(const Napi::CallbackInfo& info, size_t index, const char* name, size_t count) {
  const Span span = typed(info[index], name, napi_float64_array, nullptr);
  if (span.size == count * sizeof(double)) return reinterpret_cast<double*>(const_cast<uint8_t*>(span.data));
  throw Napi::RangeError::New(info.Env(), std::string(name) + " does not have " + std::to_string(count) + " elements");
}

StatColumns columns(const Napi::CallbackInfo& info, size_t index, size_t count) {
  const Span span = bytes(info, index, "columns", nullptr);
  const bool is_aligned = reinterpret_cast<uintptr_t>(span.data) % alignof(double) == 0;
  if (span.size == count * StatColumns::ENTRY_BYTES && is_aligned) return {span.data, count};
  throw Napi::RangeError::New(info.Env(), "columns are not those of a listing");
}

size_t to_offset(Napi::Env env, double value, size_t max) {
  // Written so that NaN is refused too.
  if (value >= 0 && value <= static_cast<double>(max)) return static_cast<size_t>(value);
  throw Napi::RangeError::New(env, "an offset is out of range");
}

}  // namespace

// (chainLength)
Napi::Value create_line_matcher(const Napi::CallbackInfo& info) {
  const auto length = static_cast<size_t>(integer(info, 0, "chainLength", 1, CHAIN_MAX));
  return Wrapped<Matcher>::make(info.Env(), std::make_shared<Matcher>(Matcher{LineMatcher(length)}), length);
}

// (matcher, path, columns, count, names, linknames, place, begin, end, lines, start, found): how many lines match
Napi::Value match_lines(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto matcher = Wrapped<Matcher>::get(env, info[0], "matcher");
  const auto count = static_cast<size_t>(integer(info, 3, "count", 0, COUNT_MAX));
  const auto begin = static_cast<size_t>(integer(info, 7, "begin", 0, static_cast<double>(count)));
  const auto end = static_cast<size_t>(integer(info, 8, "end", 0, static_cast<double>(count)));
  const double start = integer(info, 10, "start", 0, SAFE_MAX);
  const ListedDirectory directory{text(bytes(info, 1, "path", nullptr)), columns(info, 2, count),
                                  text(bytes(info, 4, "names", nullptr)), text(bytes(info, 5, "linknames", nullptr))};
  double* const place = numbers(info, 6, "place", 3);
  const std::string_view lines = text(bytes(info, 9, "lines", nullptr));
  double* const found = numbers(info, 11, "found", 3);
  ListedPlace at{to_offset(env, place[0], count), to_offset(env, place[1], directory.names.size()),
                 to_offset(env, place[2], directory.linknames.size())};
  const MatchedLines matched = matcher->lines.match(directory, at, begin, end, lines, to_offset(env, start, lines.size()));
  place[0] = static_cast<double>(at.index);
  place[1] = static_cast<double>(at.name);
  place[2] = static_cast<double>(at.linkname);
  found[0] = static_cast<double>(matched.end);
  found[1] = static_cast<double>(matched.files);
  found[2] = matched.size_bytes;
  return Napi::Number::New(env, static_cast<double>(matched.lines));
}

// (matcher): what the lines refer to that matched since the last call
Napi::Value used_by_lines(const Napi::CallbackInfo& info) {
  const auto matcher = Wrapped<Matcher>::get(info.Env(), info[0], "matcher");
  std::vector<uint8_t>& used = matcher->lines.used();
  const Napi::Value copy = to_uint8_array(info.Env(), used);
  std::fill(used.begin(), used.end(), 0);
  return copy;
}

}  // namespace ibt
