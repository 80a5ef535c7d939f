// One call at a time on one object, and none after it failed or ended.
#pragma once
#include <napi.h>

#include <memory>
#include <string>

#include "errors.h"

namespace ibt {

// Used on JavaScript's thread only.
class CallState {
 public:
  void check_free(Napi::Env env, const char* what) const {
    if (busy_) throw coded_error(env, "IBT_JOB_BUSY", std::string(what) + " is busy: one call at a time");
    if (over_) throw coded_error(env, "IBT_NATIVE", std::string(what) + " has failed or ended");
  }
  void over() { over_ = true; }

 private:
  friend class Call;
  bool busy_ = false;
  bool over_ = false;
};

// A call under way, kept by its job. One that was not marked as done has failed, and what it worked on is half done.
class Call {
 public:
  explicit Call(std::shared_ptr<CallState> state) : state_(std::move(state)) { state_->busy_ = true; }
  Call(Call&&) = default;
  ~Call() {
    if (state_ == nullptr) return;
    state_->busy_ = false;
    if (!done_) state_->over_ = true;
  }
  void done() { done_ = true; }

 private:
  std::shared_ptr<CallState> state_;
  bool done_ = false;
};

}  // namespace ibt
