// Results for JavaScript: fresh memory that belongs to it, large ones without a copy.
#pragma once
#include <napi.h>

#include "../engine.h"
#include "../fs/raw_bytes.h"
#include "../fs/rdiff_files.h"
#include "../fs/stat.h"

namespace ibt {

Napi::Value stats_to_js(Napi::Env env, const JobStats& stats);
Napi::Value to_buffer(Napi::Env env, RawBytes&& bytes);
Napi::Value to_buffer(Napi::Env env, Bytes&& bytes);
Napi::Value to_array_buffer(Napi::Env env, const RawBytes& bytes);
Napi::Value to_float64_array(Napi::Env env, const std::vector<double>& values);
Napi::Value to_uint8_array(Napi::Env env, const std::vector<uint8_t>& values);
Napi::Value to_uint32_array(Napi::Env env, const std::vector<uint32_t>& values);
Napi::Value to_int32_array(Napi::Env env, const std::vector<int32_t>& values);

}  // namespace ibt
