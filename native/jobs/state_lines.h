// Calls on lines of states: fast enough to be made where they are asked for.
#pragma once
#include <napi.h>

#include "../state/line_matcher.h"

namespace ibt {

struct Matcher {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x6c696e6573000001};
  LineMatcher lines;
};

Napi::Value create_line_matcher(const Napi::CallbackInfo& info);
Napi::Value match_lines(const Napi::CallbackInfo& info);
Napi::Value compare_lines(const Napi::CallbackInfo& info);
Napi::Value used_by_lines(const Napi::CallbackInfo& info);

}  // namespace ibt
