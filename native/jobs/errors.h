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

// Runs on JavaScript's thread what may throw the engine's errors.
template <class Run>
auto translated(Napi::Env env, Run run) {
  try {
    return run();
  } catch (const EngineError& error) {
    throw to_js(env, error);
  } catch (const std::bad_alloc&) {
    throw coded_error(env, "IBT_NATIVE", "Out of memory");
  }
}

}  // namespace ibt
