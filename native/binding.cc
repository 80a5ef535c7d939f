// Names the addon's functions for JavaScript; src/native/addon.ts has their types.
#include <napi.h>

#include "jobs/engine_jobs.h"
#include "jobs/errors.h"
#include "jobs/fs_jobs.h"
#include "jobs/memory.h"
#include "jobs/span_writer.h"
#include "jobs/runtime.h"
#include "jobs/state_lines.h"

namespace {

using Function = Napi::Value (*)(const Napi::CallbackInfo&);

void throw_current(napi_env env) noexcept {
  try {
    ibt::current_error(env).ThrowAsJavaScriptException();
  } catch (...) {
    // There is no memory to say it better, or JavaScript is not to run any more: then this does nothing.
    napi_throw_error(env, "IBT_NATIVE", "Out of memory");
  }
}

// Whatever a function throws becomes an error of JavaScript's: in Node it would end the process.
template <Function function>
napi_value call(napi_env env, napi_callback_info raw) noexcept {
  try {
    const Napi::CallbackInfo info(env, raw);
    return function(info);
  } catch (...) {
    throw_current(env);
    return nullptr;
  }
}

template <Function function>
void set(Napi::Object exports, const char* name) {
  napi_value made = nullptr;
  const napi_env env = exports.Env();
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call<function>, nullptr, &made) != napi_ok) {
    throw Napi::Error::New(env);
  }
  exports.Set(name, made);
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new ibt::Runtime(env));
  set<ibt::set_threads>(exports, "setThreads");
  set<ibt::return_freed_memory>(exports, "returnFreedMemory");
  set<ibt::make_canceller>(exports, "canceller");
  set<ibt::cancel>(exports, "cancel");
  set<ibt::allocate>(exports, "allocate");

  set<ibt::list_directories_job>(exports, "listDirectories");
  set<ibt::read_files_job>(exports, "readFiles");
  set<ibt::open_file_job>(exports, "openFile");
  set<ibt::data_extents_job>(exports, "dataExtents");
  set<ibt::share_blocks_job>(exports, "shareBlocks");
  set<ibt::make_hole_job>(exports, "makeHole");
  set<ibt::make_sequence>(exports, "sequence");
  set<ibt::open_root_job>(exports, "openRoot");
  set<ibt::close_descriptor_job>(exports, "closeDescriptor");
  set<ibt::operate_job>(exports, "operate");
  set<ibt::user_name>(exports, "userName");
  set<ibt::group_name>(exports, "groupName");
  set<ibt::user_id>(exports, "userId");
  set<ibt::group_id>(exports, "groupId");

  set<ibt::create_line_matcher>(exports, "createLineMatcher");
  set<ibt::match_lines>(exports, "matchLines");
  set<ibt::compare_lines>(exports, "compareLines");
  set<ibt::used_by_lines>(exports, "usedByLines");
  set<ibt::create_span_writer>(exports, "createSpanWriter");
  set<ibt::plan_headers>(exports, "planHeaders");
  set<ibt::write_headers>(exports, "writeHeaders");
  set<ibt::write_lines>(exports, "writeLines");

  set<ibt::load_signature_job>(exports, "loadSignature");
  set<ibt::delta_bytes_job>(exports, "deltaBytes");
  set<ibt::create_scanner>(exports, "createScanner");
  set<ibt::scanner_update_job>(exports, "scannerUpdate");
  set<ibt::scanner_zeros_job>(exports, "scannerZeros");
  set<ibt::scanner_finish_job>(exports, "scannerFinish");
  set<ibt::create_patcher>(exports, "createPatcher");
  set<ibt::patcher_give>(exports, "patcherGive");
  set<ibt::patcher_needs>(exports, "patcherNeeds");
  set<ibt::patcher_skip>(exports, "patcherSkip");
  set<ibt::patcher_push>(exports, "patcherPush");
  set<ibt::patcher_pull_job>(exports, "patcherPull");
  set<ibt::patcher_end>(exports, "patcherEnd");
  set<ibt::patch_bytes_job>(exports, "patchBytes");
  set<ibt::signature_file_job>(exports, "signatureFile");
  set<ibt::delta_file_job>(exports, "deltaFile");
  set<ibt::patch_file_job>(exports, "patchFile");
  set<ibt::compose_files_job>(exports, "composeFiles");
  set<ibt::compose_bytes_job>(exports, "composeBytes");
  set<ibt::create_composer>(exports, "createComposer");
  set<ibt::composer_feed>(exports, "composerFeed");
  set<ibt::composer_end_job>(exports, "composerEnd");
  set<ibt::composer_count_job>(exports, "composerCount");
  set<ibt::composer_blocks>(exports, "composerBlocks");
  set<ibt::composer_compact>(exports, "composerCompact");
  set<ibt::composer_pull_job>(exports, "composerPull");
  set<ibt::composer_rewind>(exports, "composerRewind");
  return exports;
}

}  // namespace

NODE_API_MODULE(librsync_native, initialize)
