// The engine as functions for JavaScript.
#pragma once
#include <napi.h>

namespace ibt {

Napi::Value set_threads(const Napi::CallbackInfo& info);
Napi::Value return_freed_memory(const Napi::CallbackInfo& info);
Napi::Value make_canceller(const Napi::CallbackInfo& info);
Napi::Value cancel(const Napi::CallbackInfo& info);

Napi::Value load_signature_job(const Napi::CallbackInfo& info);

Napi::Value delta_bytes_job(const Napi::CallbackInfo& info);

Napi::Value create_scanner(const Napi::CallbackInfo& info);
Napi::Value scanner_update_job(const Napi::CallbackInfo& info);
Napi::Value scanner_zeros_job(const Napi::CallbackInfo& info);
Napi::Value scanner_finish_job(const Napi::CallbackInfo& info);

Napi::Value create_patcher(const Napi::CallbackInfo& info);
Napi::Value patcher_give(const Napi::CallbackInfo& info);
Napi::Value patcher_needs(const Napi::CallbackInfo& info);
Napi::Value patcher_skip(const Napi::CallbackInfo& info);
Napi::Value patcher_push(const Napi::CallbackInfo& info);
Napi::Value patcher_pull_job(const Napi::CallbackInfo& info);
Napi::Value patcher_end(const Napi::CallbackInfo& info);
Napi::Value patch_bytes_job(const Napi::CallbackInfo& info);

Napi::Value signature_file_job(const Napi::CallbackInfo& info);
Napi::Value delta_file_job(const Napi::CallbackInfo& info);
Napi::Value patch_file_job(const Napi::CallbackInfo& info);

Napi::Value compose_files_job(const Napi::CallbackInfo& info);
Napi::Value compose_bytes_job(const Napi::CallbackInfo& info);
Napi::Value create_composer(const Napi::CallbackInfo& info);
Napi::Value composer_feed(const Napi::CallbackInfo& info);
Napi::Value composer_end_job(const Napi::CallbackInfo& info);
Napi::Value composer_count_job(const Napi::CallbackInfo& info);
Napi::Value composer_blocks(const Napi::CallbackInfo& info);
Napi::Value composer_compact(const Napi::CallbackInfo& info);
Napi::Value composer_pull_job(const Napi::CallbackInfo& info);
Napi::Value composer_rewind(const Napi::CallbackInfo& info);

}  // namespace ibt
