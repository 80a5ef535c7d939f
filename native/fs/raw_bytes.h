#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace ibt {

// Growable bytes that are not zeroed first and that can be handed to JavaScript without a copy.
class RawBytes {
 public:
  RawBytes() = default;
  RawBytes(RawBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  RawBytes& operator=(RawBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  RawBytes(const RawBytes&) = delete;
  RawBytes& operator=(const RawBytes&) = delete;
  ~RawBytes() { std::free(data_); }

  uint8_t* data() const { return data_; }
  uint8_t* end() const { return data_ + size_; }
  size_t size() const { return size_; }
  size_t room() const { return capacity_ - size_; }

  // Makes room for `more` bytes behind the last.
  void reserve_more(size_t more) {
    if (room() >= more) return;
    size_t wanted = size_ + more;
    if (wanted < capacity_ + capacity_ / 2) wanted = capacity_ + capacity_ / 2;
    wanted = (wanted + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void* grown = data_ == nullptr ? std::aligned_alloc(ALIGNMENT, wanted) : std::realloc(data_, wanted);
    if (grown == nullptr) throw std::bad_alloc();
    data_ = static_cast<uint8_t*>(grown);
    capacity_ = wanted;
  }
  // Takes bytes that were written into the room.
  void added(size_t count) { size_ += count; }
  void truncate(size_t size) { size_ = size; }
  void append(const void* bytes, size_t length) {
    if (length == 0) return;
    reserve_more(length);
    std::memcpy(end(), bytes, length);
    size_ += length;
  }
  // Gives back what was reserved in vain.
  void shrink() {
    if (size_ == 0 || capacity_ - size_ < capacity_ / 8) return;
    void* shrunk = std::realloc(data_, size_);
    if (shrunk == nullptr) return;
    data_ = static_cast<uint8_t*>(shrunk);
    capacity_ = size_;
  }
  // The caller frees it with std::free.
  uint8_t* release() {
    size_ = capacity_ = 0;
    return std::exchange(data_, nullptr);
  }

 private:
  // malloc's 16 bytes behind the start of a page make the kernel's copy from the start of another take 1.6 times as long.
  static constexpr size_t ALIGNMENT = 64;

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace ibt
