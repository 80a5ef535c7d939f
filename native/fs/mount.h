// What is mounted inside a tree, from another device or from another place of the same one.
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace ibt {

struct MountPlace {
  dev_t dev = 0;
  // Of the mount, where the system tells it (Linux 5.8); else 0.
  uint64_t mount = 0;
  bool is_directory = false;
};

// Looks at an open file (`name` is null), or at a name in a directory without following a link in its last part and
// without mounting anything. Returns an errno.
int look_at_mount(int fd, const char* name, MountPlace& found);

// Whether what was found lies in the mount of the root. Without the number of a mount its device tells.
// A directory of another device is not the root's even in one mount: a subvolume. Of other files the device says nothing
// there, for an overlay shows them with the devices of its layers.
bool is_same_mount(const MountPlace& root, const MountPlace& found);

}  // namespace ibt
