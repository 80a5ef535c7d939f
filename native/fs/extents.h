#pragma once
#include <cstddef>
#include <vector>

#include "cancel.h"

namespace ibt {

// Where an open file of `size` bytes holds data: offset and length of each extent, in order. What a file system does not
// tell is data. Behind the `max`th extent all is taken for data. The descriptor keeps its position. Throws SystemError.
std::vector<double> data_extents(int given, double size, size_t max, const CancelToken& cancel);

}  // namespace ibt
