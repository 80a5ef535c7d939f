#include "pool.h"

#include <pthread.h>
#include <signal.h>

namespace ibt {

Pool::Pool(size_t threads, Done done) : done_(std::move(done)), running_(threads, nullptr) {
  threads_.reserve(threads);
  // Signals are for Node's threads: ours would only be interrupted by them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::exception_ptr refused;
  try {
    for (size_t i = 0; i < threads; i++) threads_.emplace_back([this, i] { work(i); });
  } catch (...) {
    refused = std::current_exception();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (threads_.empty() && refused != nullptr) std::rethrow_exception(refused);
}

Pool::~Pool() { stop(); }

bool Pool::add(Tasks& task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.size() >= QUEUE_MAX) return false;
    queue_.splice(queue_.end(), task);
  }
  wake_.notify_one();
  return true;
}

Tasks Pool::take_cancelled() {
  Tasks taken;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto at = queue_.begin(); at != queue_.end();) {
    const auto task = at++;
    if ((*task)->is_cancelled()) taken.splice(taken.end(), queue_, task);
  }
  return taken;
}

void Pool::stop() {
  Tasks dropped;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
    for (Task* task : running_) {
      if (task != nullptr) task->cancel();
    }
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Pool::work(size_t index) {
  for (;;) {
    Tasks task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      running_[index] = nullptr;
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      task.splice(task.end(), queue_, queue_.begin());
      running_[index] = task.front().get();
    }
    task.front()->execute();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      running_[index] = nullptr;
    }
    done_(std::move(task));
  }
}

}  // namespace ibt
