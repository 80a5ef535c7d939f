#include "state_lines.h"

#include "../state/line_matcher.h"
#include "arguments.h"
#include "listed_columns.h"
#include "results.h"
#include "wrapped.h"

namespace ibt {
namespace {

constexpr double CHAIN_MAX = 1 << 20;

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

// (matcher, directory…, begin, end, lines, start, found): how many lines match
Napi::Value match_lines(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto matcher = Wrapped<Matcher>::get(env, info[0], "matcher");
  const ListedDirectory directory = listed_directory(info, 1);
  const size_t next = 1 + DIRECTORY_ARGUMENTS;
  const EntryRange range = entry_range(info, next, directory.count);
  const double start = integer(info, next + 3, "start", 0, SAFE_MAX);
  const Span lines = view(info[next + 2], "lines", napi_uint8_array);
  double* const found = numbers(info, next + 4, "found", 3);
  const std::string_view text(reinterpret_cast<const char*>(lines.data), lines.size);
  const MatchedLines matched =
      matcher->lines.match(directory, range.begin, range.end, text, to_offset(env, start, lines.size));
  found[0] = static_cast<double>(matched.end);
  found[1] = static_cast<double>(matched.files);
  found[2] = matched.size_bytes;
  return Napi::Number::New(env, static_cast<double>(matched.lines));
}

// (matcher, directory…, begin, end, lines, start, sameMax, codes, differences, starts, ends, digests, found): how many entries
// were compared
Napi::Value compare_lines(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto matcher = Wrapped<Matcher>::get(env, info[0], "matcher");
  const ListedDirectory directory = listed_directory(info, 1);
  const size_t next = 1 + DIRECTORY_ARGUMENTS;
  const EntryRange range = entry_range(info, next, directory.count);
  const double start = integer(info, next + 3, "start", 0, SAFE_MAX);
  const auto same_max = static_cast<size_t>(integer(info, next + 4, "sameMax", 1, SAFE_MAX));
  const Span lines = view(info[next + 2], "lines", napi_uint8_array);
  const size_t count = range.end - range.begin;
  const auto column = [&](size_t index, const char* name, napi_typedarray_type type, size_t width) {
    const Span span = view(info[next + index], name, type);
    if (span.size < count * width) throw Napi::RangeError::New(env, std::string(name) + " is too short");
    return const_cast<uint8_t*>(span.data);
  };
  const ComparedEntries found{
      column(5, "codes", napi_uint8_array, 1), column(6, "differences", napi_uint8_array, 1),
      reinterpret_cast<uint32_t*>(column(7, "starts", napi_uint32_array, sizeof(uint32_t))),
      reinterpret_cast<uint32_t*>(column(8, "ends", napi_uint32_array, sizeof(uint32_t))),
      reinterpret_cast<uint32_t*>(column(9, "digests", napi_uint32_array, sizeof(uint32_t)))};
  double* const end = numbers(info, next + 10, "found", 1);
  const std::string_view text(reinterpret_cast<const char*>(lines.data), lines.size);
  const MatchedLines compared = matcher->lines.compare(directory, range.begin, range.end, text,
                                                       to_offset(env, start, lines.size), same_max, found);
  end[0] = static_cast<double>(compared.end);
  return Napi::Number::New(env, static_cast<double>(compared.lines));
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
