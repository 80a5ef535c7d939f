#include "runtime.h"

#include <algorithm>
#include <thread>

#include "errors.h"

namespace ibt {
namespace {

constexpr size_t DEFAULT_THREADS_MAX = 8;

size_t default_threads() {
  const size_t cores = std::thread::hardware_concurrency();
  return std::min(std::max<size_t>(cores, 1), DEFAULT_THREADS_MAX);
}

void check(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

void Runtime::set_threads(Napi::Env env, size_t threads) {
  if (pool_ != nullptr && threads != threads_) {
    throw coded_error(env, "IBT_NATIVE", "The pool runs already: set its threads before the first job");
  }
  threads_ = threads;
}

size_t Runtime::threads_for_job() const {
  const size_t threads = threads_ > 0 ? threads_ : default_threads();
  return std::max<size_t>(1, threads / (jobs_ + 1));
}

void Runtime::start() {
  if (threads_ == 0) threads_ = default_threads();
  const auto notified = [](napi_env env, napi_value, void* context, void*) {
    // Without an environment: it is being torn down, and the runtime may be gone.
    if (env != nullptr) static_cast<Runtime*>(context)->settle_done();
  };
  const auto name = Napi::String::New(env_, "librsync-native");
  check(env_, napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, notified,
                                              &notify_));
  check(env_, napi_unref_threadsafe_function(env_, notify_));
  try {
    pool_ = std::make_unique<Pool>(threads_, [this](Tasks&& tasks) { done(std::move(tasks)); });
  } catch (...) {
    // The next job tries again.
    napi_release_threadsafe_function(notify_, napi_tsfn_abort);
    notify_ = nullptr;
    throw;
  }
  // Hooks run last added first: threads end before the function that they call.
  check(env_, napi_add_env_cleanup_hook(env_, [](void* runtime) { static_cast<Runtime*>(runtime)->stop(); }, this));
}

void Runtime::stop() {
  if (pool_ == nullptr) return;
  pool_->stop();
  pool_.reset();
  done_.clear();
  napi_release_threadsafe_function(notify_, napi_tsfn_abort);
  notify_ = nullptr;
}

Napi::Promise Runtime::add(Napi::Env env, std::unique_ptr<Job> job) {
  if (pool_ == nullptr) start();
  const Napi::Promise promise = job->promise();
  Tasks task;
  task.push_back(std::move(job));
  if (!pool_->add(task)) {
    throw coded_error(env, "IBT_NATIVE", "Too many jobs wait: let some end before starting more");
  }
  // A pending job keeps the process alive, an idle pool does not.
  if (jobs_++ == 0) napi_ref_threadsafe_function(env, notify_);
  return promise;
}

void Runtime::drop_cancelled() {
  if (pool_ == nullptr) return;
  Tasks dropped = pool_->take_cancelled();
  if (!dropped.empty()) done(std::move(dropped));
}

void Runtime::done(Tasks&& tasks) {
  bool is_first;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_first = done_.empty();
    done_.splice(done_.end(), tasks);
  }
  // One call settles all that is done by then.
  if (is_first) napi_call_threadsafe_function(notify_, nullptr, napi_tsfn_nonblocking);
}

void Runtime::settle_done() {
  Tasks done;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done.swap(done_);
  }
  for (std::unique_ptr<Task>& task : done) {
    const Napi::HandleScope scope(env_);
    try {
      static_cast<Job*>(task.get())->settle(env_);
    } catch (...) {
      // A worker that is being terminated runs no JavaScript any more: nobody waits for the promise.
    }
    task.reset();
    if (--jobs_ == 0) napi_unref_threadsafe_function(env_, notify_);
  }
}

}  // namespace ibt
