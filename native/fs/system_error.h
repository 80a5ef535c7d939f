#pragma once

namespace ibt {

// A system call failed and with it the whole job.
struct SystemError {
  enum class What { read, write };
  int number;
  const char* syscall;
  What what;
};

}  // namespace ibt
