// Calls on lines of states: fast enough to be made where they are asked for.
#pragma once
#include <napi.h>

namespace ibt {

Napi::Value create_line_matcher(const Napi::CallbackInfo& info);
Napi::Value match_lines(const Napi::CallbackInfo& info);
Napi::Value used_by_lines(const Napi::CallbackInfo& info);

}  // namespace ibt
