// Threads that take tasks from one bounded queue. Knows nothing of JavaScript.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
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
  virtual bool is_cancelled() const = 0;
};

// A task stays in one node of a list from its start to its end: threads pass it on without allocating, which could fail
// where nobody can be told.
using Tasks = std::list<std::unique_ptr<Task>>;

class Pool {
 public:
  static constexpr size_t QUEUE_MAX = 16384;
  using Done = std::function<void(Tasks&&)>;

  // `done` is called on a thread of the pool for every task that was executed, with that task alone.
  // Where the system refuses threads, the pool works with fewer. Throws what refused the first one.
  Pool(size_t threads, Done done);
  ~Pool();
  // Takes the one task of a list. False if the queue is full; the task is then still the caller's.
  bool add(Tasks& task);
  // Takes cancelled tasks out of the queue.
  Tasks take_cancelled();
  // Cancels what runs, waits for it and drops what waits.
  void stop();

 private:
  void work(size_t index);

  const Done done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Tasks queue_;
  std::vector<Task*> running_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

}  // namespace ibt
