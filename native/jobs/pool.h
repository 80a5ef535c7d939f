// Threads that take tasks from one bounded queue. Knows nothing of JavaScript.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace ibt {

class Task {
 public:
  virtual ~Task() = default;
  virtual void execute() noexcept = 0;  // on a thread of the pool
  virtual void cancel() = 0;            // on any thread
};

class Pool {
 public:
  static constexpr size_t QUEUE_MAX = 16384;
  using Done = std::function<void(std::unique_ptr<Task>)>;

  // `done` is called on a thread of the pool for every task that was executed.
  Pool(size_t threads, Done done);
  ~Pool();
  // False if the queue is full; the task is then still the caller's.
  bool add(std::unique_ptr<Task>& task);
  // Cancels what runs, waits for it and drops what waits.
  void stop();

 private:
  void work(size_t index);

  const Done done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Task>> queue_;
  std::vector<Task*> running_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

}  // namespace ibt
