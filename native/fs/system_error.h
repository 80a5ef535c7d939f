#pragma once

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

}  // namespace ibt
