#pragma once
#include <string>

#include "cancel.h"

namespace ibt {

// Removes what is there with all that it contains, at any depth, with two descriptors. Links are not followed.
// What is mounted in it is neither entered nor removed. Goes on past what it cannot remove. Returns the first errno;
// what is not there is no error.
int remove_tree(int parent, const std::string& name, const CancelToken& cancel);

}  // namespace ibt
