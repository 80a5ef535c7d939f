#pragma once
#include <cstddef>
#include <vector>

#include "cancel.h"
#include "stat.h"

namespace ibt {

// Asks an open file that seems to have holes, by its blocks, whether it has: one that is compressed only takes fewer.
// Moves the position.
void confirm_holes(int fd, FileStat& stat);

// Where an open file of `size` bytes holds data: offset and length of each extent, in order. What a file system does not
// tell is data. Behind the `max`th extent all is taken for data. The descriptor keeps its position. Throws SystemError.
std::vector<double> data_extents(int given, double size, size_t max, const CancelToken& cancel);

}  // namespace ibt
