// Descriptors read and written from their current position on a pool thread: files, pipes, sockets, terminals.
// Waiting for a pipe ends within 50 ms when the job is cancelled.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cancel.h"

namespace ibt {

class Input {
 public:
  Input(int fd, const CancelToken& cancel);
  // Fills the memory unless the input ends: 0 at its end, and from then on, though it grow. Throws SystemError.
  size_t read(uint8_t* bytes, size_t length);
  // Bytes to come of a regular file, else -1.
  int64_t size() const { return size_; }
  uint64_t total() const { return total_; }

 private:
  const int fd_;
  const CancelToken& cancel_;
  int64_t size_ = -1;
  bool ended_ = false;
  uint64_t total_ = 0;
};

class Output {
 public:
  Output(int fd, const CancelToken& cancel);
  void write(const uint8_t* bytes, size_t length);
  uint64_t total() const { return total_; }

 private:
  size_t write_some(const uint8_t* bytes, size_t length);

  const int fd_;
  const CancelToken& cancel_;
  bool is_regular_ = false;
  uint64_t total_ = 0;
};

// Fills the memory from a position; returns less only where the file ends.
size_t read_at(int fd, uint64_t position, uint8_t* bytes, size_t length);

// Bytes of a file that can be read at any position. Throws SystemError (ESPIPE of a pipe or a socket).
uint64_t file_bytes(int fd);

}  // namespace ibt
