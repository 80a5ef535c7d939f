#pragma once
#include <errno.h>

namespace ibt {

// A system call failed and with it the whole job.
struct SystemError {
  enum class What { read, write };
  int number;
  const char* syscall;
  What what;
  // Which of several inputs it is about; -1: not said.
  int input = -1;
};

// The errno of a system call that returns 0 if it was done; else 0.
inline int result_of(int returned) { return returned == 0 ? 0 : errno; }

}  // namespace ibt
