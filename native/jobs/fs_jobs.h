// Jobs on the file system, as functions for JavaScript.
#pragma once
#include <napi.h>

namespace ibt {

Napi::Value list_directories_job(const Napi::CallbackInfo& info);
Napi::Value read_files_job(const Napi::CallbackInfo& info);
Napi::Value open_file_job(const Napi::CallbackInfo& info);
Napi::Value data_extents_job(const Napi::CallbackInfo& info);
Napi::Value share_blocks_job(const Napi::CallbackInfo& info);
Napi::Value make_hole_job(const Napi::CallbackInfo& info);
Napi::Value make_sequence(const Napi::CallbackInfo& info);
Napi::Value open_root_job(const Napi::CallbackInfo& info);
Napi::Value close_descriptor_job(const Napi::CallbackInfo& info);
Napi::Value operate_job(const Napi::CallbackInfo& info);

// Look-ups that are done at once: undefined for what is unknown.
Napi::Value user_name(const Napi::CallbackInfo& info);
Napi::Value group_name(const Napi::CallbackInfo& info);
Napi::Value user_id(const Napi::CallbackInfo& info);
Napi::Value group_id(const Napi::CallbackInfo& info);

}  // namespace ibt
