#pragma once
#include <atomic>

namespace ibt {

// Thrown by a job that was asked to stop.
struct Cancelled {};

// Asks one job to stop. Set on any thread; the job looks at it at least every 50 ms.
class CancelToken {
 public:
  CancelToken() = default;
  // Cancelled with the other too, which must outlive it.
  explicit CancelToken(const CancelToken* outer) : outer_(outer) {}
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const {
    return cancelled_.load(std::memory_order_relaxed) || (outer_ != nullptr && outer_->cancelled());
  }
  void check() const {
    if (cancelled()) throw Cancelled{};
  }

 private:
  std::atomic<bool> cancelled_{false};
  const CancelToken* const outer_ = nullptr;
};

}  // namespace ibt
