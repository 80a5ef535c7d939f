// Calls that write runs of listed entries: their tar headers between contents that were read, and their lines of a state.
#pragma once
#include <napi.h>

namespace ibt {

Napi::Value create_span_writer(const Napi::CallbackInfo& info);
Napi::Value plan_headers(const Napi::CallbackInfo& info);
Napi::Value write_headers(const Napi::CallbackInfo& info);
Napi::Value write_lines(const Napi::CallbackInfo& info);

}  // namespace ibt
