#include "errors.h"

#include <errno.h>

#include <new>
#include <system_error>

#include "../fs/cancel.h"

namespace ibt {
namespace {

const char* code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bad_magic:
      return "IBT_BAD_MAGIC";
    case ErrorKind::input_ended:
      return "IBT_INPUT_ENDED";
    case ErrorKind::signature_corrupt:
      return "IBT_SIGNATURE_CORRUPT";
    case ErrorKind::delta_corrupt:
      return "IBT_DELTA_CORRUPT";
    case ErrorKind::basis_mismatch:
      return "IBT_BASIS_MISMATCH";
    case ErrorKind::parameter:
      break;
  }
  return "IBT_NATIVE";
}

Napi::Error native_error(Napi::Env env, const char* message, int error, const char* syscall) {
  Napi::Error js = coded_error(env, "IBT_NATIVE", message);
  js.Set("errno", Napi::Number::New(env, error));
  js.Set("syscall", Napi::String::New(env, syscall));
  return js;
}

Napi::Error about(Napi::Env env, Napi::Error error, int input) {
  if (input >= 0) error.Set("input", Napi::Number::New(env, input));
  return error;
}

}  // namespace

Napi::Error current_error(Napi::Env env) {
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error;
  } catch (const EngineError& error) {
    return to_js(env, error);
  } catch (const SystemError& error) {
    return to_js(env, error);
  } catch (const Cancelled&) {
    return coded_error(env, "IBT_NATIVE", "The job was cancelled");
  } catch (const std::bad_alloc&) {
    return native_error(env, "Out of memory", ENOMEM, "malloc");
  } catch (const std::length_error&) {
    return native_error(env, "Out of memory", ENOMEM, "malloc");
  } catch (const std::system_error& error) {
    // The only one of the standard library's that we meet: a thread was refused.
    return native_error(env, error.what(), error.code().value(), "pthread_create");
  } catch (const std::exception& error) {
    return coded_error(env, "IBT_NATIVE", error.what());
  } catch (...) {
    return coded_error(env, "IBT_NATIVE", "Unknown error");
  }
}

Napi::Error coded_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

Napi::Error to_js(Napi::Env env, const EngineError& error) {
  if (error.kind == ErrorKind::parameter) return Napi::RangeError::New(env, error.what());
  return about(env, coded_error(env, code_of(error.kind), error.what()), error.input);
}

Napi::Error to_js(Napi::Env env, const SystemError& error) {
  const bool is_write = error.what == SystemError::What::write;
  Napi::Error js = coded_error(env, is_write ? "IBT_WRITE_FAILED" : "IBT_READ_FAILED", error.syscall);
  js.Set("errno", Napi::Number::New(env, error.number));
  js.Set("syscall", Napi::String::New(env, error.syscall));
  return about(env, js, error.input);
}

}  // namespace ibt
