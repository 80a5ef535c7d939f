#pragma once
#include <string>

#include "cancel.h"
#include "mount.h"

namespace ibt {

// Instead of an errno: something lies at or behind a mount point, and stays.
constexpr int SPARED = -2;

// Removes what is there with all that it contains, at any depth, with two descriptors. Links are not followed.
// What is not in the mount of the root is neither entered nor removed. Goes on past what it cannot remove.
// Returns the first errno, or SPARED if nothing else was in the way; what is not there is no error.
int remove_tree(int parent, const std::string& name, const MountPlace& root, const CancelToken& cancel);

// As `remove_tree`, but ENOTEMPTY for a directory that is not empty.
int remove_one(int parent, const std::string& name, const MountPlace& root);

// Whether what is there lies at or behind a mount point. False if nothing is there.
bool is_mounted(int parent, const std::string& name, const MountPlace& root);

}  // namespace ibt
