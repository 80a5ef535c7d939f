// A look at an open file after which every change of its content shows in its ctime.
#pragma once
#include "cancel.h"
#include "stat.h"

namespace ibt {

struct Look {
  FileStat stat;
  // False: the file is changed so often that no moment of rest was found. What is read of it proves nothing.
  bool is_settled;
};

// Two things hide a change from whoever compares ctime before and after a read. The kernel takes the time from a clock
// that ticks every few milliseconds, so a change in the tick of the one before it has the same time. And it takes the
// time before it copies the bytes of a write, so a write that had begun before the first look changes bytes, but not the
// time. So this waits until a write that is under way has ended, and until the clock has passed the ctime: a tick, or a
// second where times are whole seconds. Changes through a mapping are seen by no one before they are written back.
// Throws SystemError and Cancelled.
Look look_settled(int fd, const CancelToken& cancel);

}  // namespace ibt
