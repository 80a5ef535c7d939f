// Native failures as JavaScript errors: `code` is the package's, `errno` and `syscall` are the system's;
// `input` tells which of several inputs it is about.
#pragma once
#include <napi.h>

#include "../engine.h"
#include "../fs/system_error.h"

namespace ibt {

Napi::Error coded_error(Napi::Env env, const char* code, const std::string& message);
Napi::Error to_js(Napi::Env env, const EngineError& error);
Napi::Error to_js(Napi::Env env, const SystemError& error);

// Of the exception that is being handled, whatever it is.
Napi::Error current_error(Napi::Env env);

}  // namespace ibt
