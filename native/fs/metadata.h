// Owner, attributes, mode and time of what is there.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "set_xattrs.h"

namespace ibt {

constexpr uint32_t LEAVE = 0xffffffff;
constexpr int64_t LEAVE_TIME = INT64_MIN;

struct Metadata {
  uint32_t mode = LEAVE;
  uint32_t uid = LEAVE;
  uint32_t gid = LEAVE;
  int64_t mtime_ns = LEAVE_TIME;
  XattrList xattrs;
  // False: a file keeps the owner that it has. `uid` and `gid` tell whose it was.
  bool sets_owner = true;
};

// `UnsetPart` in src/native/operate.ts. Privileges are setuid, setgid and capabilities of a file that does not have its owner.
enum class UnsetPart : uint8_t { owner = 1, attribute = 2, mode = 3, time = 4, privileges = 5 };

// What could not be set, and why. `attribute`: its name; empty if they could not be listed.
struct Unset {
  UnsetPart part;
  int error;
  std::string attribute;
};

using UnsetList = std::vector<Unset>;

// Of a new file. Adds what could not be set.
void set_open_metadata(int fd, const Metadata& metadata, UnsetList& unset);

// Of what is there; of a link itself. Returns an errno if nothing is there.
int set_named_metadata(int parent, const std::string& name, const Metadata& metadata, UnsetList& unset);

// Whether something that this process makes is not given another owner.
bool stays_own(const Metadata& metadata, uid_t uid, gid_t gid);

}  // namespace ibt
