// What the addon keeps for one JavaScript environment: its pool and the way back to its thread.
#pragma once
#include <napi.h>

#include <memory>
#include <mutex>

#include "../fs/cancel.h"
#include "pool.h"

namespace ibt {

// A task with a promise. Made, settled and destroyed on JavaScript's thread.
class Job : public Task {
 public:
  Job(Napi::Env env, std::shared_ptr<CancelToken> token)
      : deferred_(Napi::Promise::Deferred::New(env)), token_(std::move(token)) {}
  void cancel() override { token_->cancel(); }
  bool is_cancelled() const override { return token_->cancelled(); }
  Napi::Promise promise() const { return deferred_.Promise(); }
  virtual void settle(Napi::Env env) = 0;

 protected:
  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<CancelToken> token_;
};

class Runtime {
 public:
  explicit Runtime(Napi::Env env) : env_(env) {}
  ~Runtime() { stop(); }
  static Runtime& of(Napi::Env env) { return *env.GetInstanceData<Runtime>(); }

  // Before the first job.
  void set_threads(Napi::Env env, size_t threads);
  // For a job that is about to be added: those that run at the same time share the threads.
  size_t threads_for_job() const;
  Napi::Promise add(Napi::Env env, std::unique_ptr<Job> job);
  // Jobs that wait and were cancelled settle without waiting for a thread.
  void drop_cancelled();

 private:
  void start();
  void stop();
  void done(Tasks&& tasks);
  void settle_done();

  const Napi::Env env_;
  size_t threads_ = 0;
  std::unique_ptr<Pool> pool_;
  napi_threadsafe_function notify_ = nullptr;
  size_t jobs_ = 0;
  std::mutex mutex_;
  Tasks done_;
};

}  // namespace ibt
