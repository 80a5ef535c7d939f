#include "pool.h"

#include <pthread.h>
#include <signal.h>

namespace ibt {

Pool::Pool(size_t threads, Done done) : done_(std::move(done)), running_(threads, nullptr) {
  // Signals are for Node's threads: ours would only be interrupted by them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (size_t i = 0; i < threads; i++) threads_.emplace_back([this, i] { work(i); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    stop();
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pool::~Pool() { stop(); }

bool Pool::add(std::unique_ptr<Task>& task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.size() >= QUEUE_MAX) return false;
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void Pool::stop() {
  std::deque<std::unique_ptr<Task>> dropped;
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
    std::unique_ptr<Task> task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      running_[index] = nullptr;
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      task = std::move(queue_.front());
      queue_.pop_front();
      running_[index] = task.get();
    }
    task->execute();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      running_[index] = nullptr;
    }
    done_(std::move(task));
  }
}

}  // namespace ibt
