// Lets jobs on one tree, started in order, work at the same time.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "cancel.h"

namespace ibt {

// How far a job has come. What it does between the two steps waits for nobody.
enum class Step { none, made_directories, done };

class Progress {
 public:
  void reach(Step step) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (step > step_) step_ = step;
    }
    changed_.notify_all();
  }

  // Throws Cancelled.
  void wait(Step step, const CancelToken& cancel) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!changed_.wait_for(lock, LOOK_EVERY, [&] { return step_ >= step; })) cancel.check();
  }

 private:
  static constexpr std::chrono::milliseconds LOOK_EVERY{20};
  std::mutex mutex_;
  std::condition_variable changed_;
  Step step_ = Step::none;
};

// The job that was started last.
struct Sequence {
  std::shared_ptr<Progress> last;
};

// A job's place behind the job before it, which it waits for step by step. Whichever way it ends, the next may go on.
class Turn {
 public:
  explicit Turn(Sequence& sequence) : before_(sequence.last), own_(std::make_shared<Progress>()) {
    sequence.last = own_;
  }
  Turn(Turn&&) = default;
  ~Turn() {
    if (own_) own_->reach(Step::done);
  }

  void wait(Step step, const CancelToken& cancel) {
    if (before_) before_->wait(step, cancel);
  }
  void reach(Step step) { own_->reach(step); }

 private:
  const std::shared_ptr<Progress> before_;
  std::shared_ptr<Progress> own_;
};

}  // namespace ibt
