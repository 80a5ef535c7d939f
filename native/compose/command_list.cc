#include "command_list.h"

#include <algorithm>
#include <new>
#include <utility>

namespace ibt {
namespace {

constexpr uint64_t MADE_MAX = INT64_MAX;
constexpr size_t COMMANDS_FIRST = 256;
// Commands added between two checks.
constexpr size_t CHECK_EVERY = 4096;

[[noreturn]] void corrupt(const std::string& message) { throw EngineError(ErrorKind::delta_corrupt, message); }

}  // namespace

size_t CommandBudget::take(size_t wanted) {
  if (left_ == 0) corrupt("Deltas with more than " + std::to_string(COMMANDS_MAX) + " commands");
  const size_t taken = std::min(wanted, left_);
  left_ -= taken;
  return taken;
}

CommandList::CommandList(CommandList&& other) noexcept
    : budget_(other.budget_),
      commands_(std::exchange(other.commands_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)),
      until_check_(other.until_check_) {}

CommandList& CommandList::operator=(CommandList&& other) noexcept {
  std::swap(budget_, other.budget_);
  std::swap(commands_, other.commands_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

CommandList::~CommandList() {
  budget_->give_back(capacity_);
  std::free(commands_);
}

void CommandList::resize(size_t capacity) {
  void* resized = std::realloc(commands_, capacity * sizeof(Command));
  if (resized == nullptr) throw std::bad_alloc();
  commands_ = static_cast<Command*>(resized);
  capacity_ = capacity;
}

void CommandList::grow() {
  const size_t more = budget_->take(std::max(COMMANDS_FIRST, capacity_));
  try {
    resize(capacity_ + more);
  } catch (...) {
    budget_->give_back(more);
    throw;
  }
}

void CommandList::complete() {
  const size_t before = capacity_;
  if (size_ == 0 || size_ == before) return;
  resize(size_);
  budget_->give_back(before - size_);
}

void CommandList::add(uint32_t source, uint64_t from, uint64_t length) {
  if (until_check_-- == 0) {
    until_check_ = CHECK_EVERY;
    budget_->check();
  }
  const uint64_t at = made();
  if (length > MADE_MAX - at) corrupt("Delta that makes more than 2^63 bytes");
  if (size_ > 0) {
    Command& last = commands_[size_ - 1];
    if (last.source == source && last.from + (at - start(size_ - 1)) == from) {
      last.end += length;
      return;
    }
  }
  if (size_ == capacity_) grow();
  commands_[size_++] = {at + length, from, source};
}

// Steps that double away from `near`, then halves: copies mostly follow each other.
size_t CommandList::find(uint64_t position, size_t near) const {
  size_t low = 0, high = size_;
  if (near < size_ && start(near) <= position) {
    low = near;
    for (size_t step = 1; low + step < high; step *= 2) {
      if (commands_[low + step - 1].end > position) {
        high = low + step;
        break;
      }
      low += step;
    }
  } else {
    high = std::min(near, size_);
  }
  const auto ends_before = [](uint64_t value, const Command& command) { return value < command.end; };
  return size_t(std::upper_bound(commands_ + low, commands_ + high, position, ends_before) - commands_);
}

void CommandList::add_part(const CommandList& other, uint64_t from, uint64_t length, size_t& near) {
  for (near = other.find(from, near);; near++) {
    const Command& command = other[near];
    const uint64_t take = std::min(length, command.end - from);
    add(command.source, command.from + (from - other.start(near)), take);
    from += take;
    length -= take;
    if (length == 0) return;
  }
}

CommandList compose_lists(const CommandList& first, const CommandList& second, CommandBudget& budget) {
  CommandList both(budget);
  size_t near = 0;
  for (size_t i = 0; i < second.size(); i++) {
    const Command& command = second[i];
    const uint64_t length = command.end - second.start(i);
    if (command.source == CommandList::BASIS) both.add_part(first, command.from, length, near);
    else both.add(command.source, command.from, length);
  }
  both.complete();
  return both;
}

}  // namespace ibt
