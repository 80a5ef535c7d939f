#include "../fs/owners.h"
#include "arguments.h"
#include "fs_jobs.h"

namespace ibt {
namespace {

constexpr double ID_MAX = 4294967295.0;

std::string name_argument(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "name is not a string");
  return info[0].As<Napi::String>().Utf8Value();
}

template <class Id>
Id id_argument(const Napi::CallbackInfo& info) {
  return static_cast<Id>(integer(info, 0, "id", 0, ID_MAX));
}

Napi::Value to_js(Napi::Env env, const std::optional<std::string>& name) {
  return name ? Napi::String::New(env, *name) : env.Undefined();
}

template <class Id>
Napi::Value to_js(Napi::Env env, const std::optional<Id>& id) {
  return id ? Napi::Number::New(env, *id) : env.Undefined();
}

}  // namespace

Napi::Value user_name(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), user_name_of(id_argument<uid_t>(info)));
}

Napi::Value group_name(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), group_name_of(id_argument<gid_t>(info)));
}

Napi::Value user_id(const Napi::CallbackInfo& info) { return to_js(info.Env(), user_id_of(name_argument(info))); }

Napi::Value group_id(const Napi::CallbackInfo& info) { return to_js(info.Env(), group_id_of(name_argument(info))); }

}  // namespace ibt
