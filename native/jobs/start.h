// Makes a job of two functions: one that runs on the pool and one that turns what it found into a JavaScript value.
#pragma once
#include <exception>
#include <optional>
#include <type_traits>

#include "errors.h"
#include "memory.h"
#include "runtime.h"

namespace ibt {

template <class Run, class Finish>
class FunctionJob final : public Job {
 public:
  FunctionJob(Napi::Env env, std::shared_ptr<CancelToken> token, Held held, Run run, Finish finish)
      : Job(env, std::move(token)), held_(std::move(held)), run_(std::move(run)), finish_(std::move(finish)) {}

  void execute() noexcept override {
    try {
      token_->check();
      result_.emplace(run_(*token_));
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void settle(Napi::Env env) override {
    try {
      // Nobody waits for what came after a cancel; whatever the job worked on is half done for them.
      token_->check();
      if (failure_ != nullptr) std::rethrow_exception(failure_);
      deferred_.Resolve(finish_(env, *result_));
    } catch (...) {
      deferred_.Reject(current_error(env).Value());
    }
  }

 private:
  const Held held_;
  Run run_;
  Finish finish_;
  std::exception_ptr failure_;
  std::optional<std::invoke_result_t<Run, const CancelToken&>> result_;
};

// `run(const CancelToken&)` must not touch JavaScript; `finish(env, result)` gets what it returned.
template <class Run, class Finish>
Napi::Value start(Napi::Env env, std::shared_ptr<CancelToken> token, Held held, Run run, Finish finish) {
  using Made = FunctionJob<Run, Finish>;
  return Runtime::of(env).add(
      env, std::make_unique<Made>(env, std::move(token), std::move(held), std::move(run), std::move(finish)));
}

}  // namespace ibt
