#pragma once
#include <atomic>

namespace ibt {

// Thrown by a job that was asked to stop.
struct Cancelled {};

// Asks one job to stop. Set on any thread; the job looks at it at least every 50 ms.
class CancelToken {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  void check() const {
    if (cancelled()) throw Cancelled{};
  }

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace ibt
