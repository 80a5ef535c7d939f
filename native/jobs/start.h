// Makes a job of two functions: one that runs on the pool and one that turns what it found into a JavaScript value.
#pragma once
#include <optional>
#include <type_traits>
#include <vector>

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
    } catch (const Cancelled&) {
      failure_ = Failure::cancelled;
    } catch (const SystemError& error) {
      failure_ = Failure::system;
      system_error_.emplace(error);
    } catch (const EngineError& error) {
      failure_ = Failure::engine;
      engine_error_.emplace(error);
    } catch (const std::bad_alloc&) {
      failure_ = Failure::memory;
    } catch (...) {
      failure_ = Failure::other;
    }
  }

  void settle(Napi::Env env) override {
    try {
      // Nobody waits for what came after a cancel; whatever the job worked on is half done for them.
      if (token_->cancelled()) failure_ = Failure::cancelled;
      if (failure_ != Failure::none) return deferred_.Reject(failure(env).Value());
      deferred_.Resolve(finish_(env, *result_));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (...) {
      deferred_.Reject(coded_error(env, "IBT_NATIVE", "Out of memory").Value());
    }
  }

 private:
  enum class Failure { none, cancelled, system, engine, memory, other };

  Napi::Error failure(Napi::Env env) const {
    switch (failure_) {
      case Failure::system:
        return to_js(env, *system_error_);
      case Failure::engine:
        return to_js(env, *engine_error_);
      case Failure::memory:
        return coded_error(env, "IBT_NATIVE", "Out of memory");
      case Failure::cancelled:
        return coded_error(env, "IBT_NATIVE", "The job was cancelled");
      default:
        return coded_error(env, "IBT_NATIVE", "The job failed");
    }
  }

  Held held_;
  Run run_;
  Finish finish_;
  Failure failure_ = Failure::none;
  std::optional<SystemError> system_error_;
  std::optional<EngineError> engine_error_;
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
