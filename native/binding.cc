// Names the addon's functions for JavaScript; src/native/addon.ts has their types.
#include <napi.h>

#include "jobs/engine_jobs.h"
#include "jobs/fs_jobs.h"
#include "jobs/memory.h"
#include "jobs/run_writer.h"
#include "jobs/runtime.h"
#include "jobs/state_lines.h"

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  ibt::find_memory(env);
  env.SetInstanceData(new ibt::Runtime(env));
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("setThreads", ibt::set_threads);
  add("returnFreedMemory", ibt::return_freed_memory);
  add("canceller", ibt::make_canceller);
  add("cancel", ibt::cancel);

  add("listDirectories", ibt::list_directories_job);
  add("readFiles", ibt::read_files_job);
  add("openFile", ibt::open_file_job);
  add("dataExtents", ibt::data_extents_job);
  add("sequence", ibt::make_sequence);
  add("operate", ibt::operate_job);
  add("userName", ibt::user_name);
  add("groupName", ibt::group_name);
  add("userId", ibt::user_id);
  add("groupId", ibt::group_id);

  add("createLineMatcher", ibt::create_line_matcher);
  add("matchLines", ibt::match_lines);
  add("usedByLines", ibt::used_by_lines);
  add("createRunWriter", ibt::create_run_writer);
  add("planHeaders", ibt::plan_headers);
  add("writeHeaders", ibt::write_headers);
  add("writeLines", ibt::write_lines);

  add("loadSignature", ibt::load_signature_job);
  add("deltaBytes", ibt::delta_bytes_job);
  add("createScanner", ibt::create_scanner);
  add("scannerUpdate", ibt::scanner_update_job);
  add("scannerFinish", ibt::scanner_finish_job);
  add("createPatcher", ibt::create_patcher);
  add("patcherPush", ibt::patcher_push);
  add("patcherPull", ibt::patcher_pull_job);
  add("patcherEnd", ibt::patcher_end);
  add("patchBytes", ibt::patch_bytes_job);
  add("signatureFile", ibt::signature_file_job);
  add("deltaFile", ibt::delta_file_job);
  add("patchFile", ibt::patch_file_job);
  add("composeFiles", ibt::compose_files_job);
  add("composeBytes", ibt::compose_bytes_job);
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, initialize)
