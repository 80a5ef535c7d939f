// Threads that take parts of a stream in turn, work on them side by side, and give what they made in the same order.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "cancel.h"

namespace ibt {

class RelayTurns {
 public:
  explicit RelayTurns(CancelToken& stop) : stop_(stop) {}

  // False if the stream has ended, or if `take` says that it ends.
  template <class Take>
  bool take(uint64_t& turn, Take take) {
    const std::lock_guard<std::mutex> lock(taking_);
    stop_.check();
    if (ended_) return false;
    ended_ = !take();
    turn = taken_++;
    return !ended_;
  }
  // Runs `give` when all turns before this one were given, and unless one of them failed.
  template <class Give>
  void give(uint64_t turn, Give give) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      next_.wait(lock, [&] { return given_ == turn || error_ != nullptr; });
      if (error_ != nullptr) return;
    }
    // Nobody else has this turn: whoever takes need not wait for the mutex.
    give();
    const std::lock_guard<std::mutex> lock(mutex_);
    given_++;
    next_.notify_all();
  }
  void fail(std::exception_ptr error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (error_ == nullptr) error_ = error;
    // Whoever waits for a pipe waits no longer.
    stop_.cancel();
    next_.notify_all();
  }
  // When all threads have ended.
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  CancelToken& stop_;
  std::mutex taking_;
  bool ended_ = false;
  uint64_t taken_ = 0;
  std::mutex mutex_;
  std::condition_variable next_;
  uint64_t given_ = 0;
  std::exception_ptr error_;
};

// Every thread, the caller's among them, has a Part of its own, which `make_part()` makes: `take(part)` fills it, one
// thread at a time and in the order of the stream, and returns false behind the end; `work(part)` runs beside others;
// `give(part)` runs one at a time, in the order of `take`. What any of them throws first ends all and is thrown here;
// then `stop` is cancelled, which all of them look at. Memory: a Part a thread.
template <class MakePart, class Take, class Work, class Give>
void relay(size_t threads, CancelToken& stop, MakePart make_part, Take take, Work work, Give give) {
  RelayTurns turns(stop);
  const auto run = [&] {
    try {
      auto part = make_part();
      for (uint64_t turn; turns.take(turn, [&] { return take(part); });) {
        work(part);
        turns.give(turn, [&] { give(part); });
      }
    } catch (...) {
      turns.fail(std::current_exception());
    }
  };
  std::vector<std::thread> helpers;
  try {
    while (helpers.size() + 1 < threads) helpers.emplace_back(run);
  } catch (const std::exception&) {
    // The threads that there are do it.
  }
  run();
  for (std::thread& helper : helpers) helper.join();
  turns.rethrow();
}

}  // namespace ibt
