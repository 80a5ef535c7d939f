#include "stream_io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "system_error.h"

namespace ibt {
namespace {

constexpr int WAIT_MS = 20;
constexpr size_t FILE_STEP_BYTES = 1 << 20;
// What a pipe that polls as writable takes without blocking.
constexpr size_t PIPE_STEP_BYTES = PIPE_BUF;

[[noreturn]] void fail(const char* syscall, SystemError::What what) { throw SystemError{errno, syscall, what}; }

void wait_for(int fd, short events, const CancelToken& cancel) {
  struct pollfd waited = {fd, events, 0};
  for (;;) {
    cancel.check();
    const int ready = poll(&waited, 1, WAIT_MS);
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) {
      fail("poll", events == POLLIN ? SystemError::What::read : SystemError::What::write);
    }
  }
}

}  // namespace

Input::Input(int fd, const CancelToken& cancel) : fd_(fd), cancel_(cancel) {
  struct stat status;
  if (fstat(fd, &status) != 0) fail("fstat", SystemError::What::read);
  if (!S_ISREG(status.st_mode)) return;
  const off_t position = lseek(fd, 0, SEEK_CUR);
  size_ = std::max<int64_t>(0, status.st_size - std::max<off_t>(position, 0));
}

size_t Input::read(uint8_t* bytes, size_t length) {
  size_t done = 0;
  while (done < length && !ended_) {
    if (size_ < 0) wait_for(fd_, POLLIN, cancel_);
    else cancel_.check();
    const ssize_t count = ::read(fd_, bytes + done, std::min(length - done, FILE_STEP_BYTES));
    ended_ = count == 0;
    if (count > 0) done += static_cast<size_t>(count);
    else if (count < 0 && errno != EINTR && errno != EAGAIN) fail("read", SystemError::What::read);
  }
  total_ += done;
  return done;
}

Output::Output(int fd, const CancelToken& cancel) : fd_(fd), cancel_(cancel) {
  struct stat status;
  if (fstat(fd, &status) != 0) fail("fstat", SystemError::What::write);
  is_regular_ = S_ISREG(status.st_mode);
}

void Output::write(const uint8_t* bytes, size_t length) {
  while (length > 0) {
    const size_t count = write_some(bytes, length);
    bytes += count;
    length -= count;
    total_ += count;
  }
}

size_t Output::write_some(const uint8_t* bytes, size_t length) {
  size_t step = std::min(length, FILE_STEP_BYTES);
  ssize_t count = -1;
  if (is_regular_) {
    cancel_.check();
    count = ::write(fd_, bytes, step);
  } else {
    wait_for(fd_, POLLOUT, cancel_);
    errno = EOPNOTSUPP;
#ifdef RWF_NOWAIT
    // Takes what fits, without a mark on the descriptor that other processes would see too.
    struct iovec part = {const_cast<uint8_t*>(bytes), step};
    count = pwritev2(fd_, &part, 1, -1, RWF_NOWAIT);
#endif
    if (count < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS || errno == ESPIPE || errno == EAGAIN)) {
      step = std::min(step, PIPE_STEP_BYTES);
      count = ::write(fd_, bytes, step);
    }
  }
  if (count >= 0) return static_cast<size_t>(count);
  if (errno != EINTR && errno != EAGAIN) fail("write", SystemError::What::write);
  return 0;
}

size_t read_at(int fd, uint64_t position, uint8_t* bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    const ssize_t count = pread(fd, bytes + done, length - done, static_cast<off_t>(position + done));
    if (count == 0) break;
    if (count > 0) done += static_cast<size_t>(count);
    else if (errno != EINTR) fail("read", SystemError::What::read);
  }
  return done;
}

uint64_t file_bytes(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) fail("fstat", SystemError::What::read);
  // Of a file, without moving a position that others may share.
  if (S_ISREG(status.st_mode)) return static_cast<uint64_t>(status.st_size);
  const off_t position = lseek(fd, 0, SEEK_CUR), end = position < 0 ? position : lseek(fd, 0, SEEK_END);
  if (end < 0 || lseek(fd, position, SEEK_SET) < 0) fail("lseek", SystemError::What::read);
  return static_cast<uint64_t>(end);
}

}  // namespace ibt
