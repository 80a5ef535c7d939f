#include "metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "beneath.h"
#include "system_error.h"

namespace ibt {
namespace {

constexpr mode_t PRIVILEGES = S_ISUID | S_ISGID;

void note(UnsetList& unset, UnsetPart part, int error) {
  if (error != 0) unset.push_back({part, error, {}});
}

void note(UnsetList& unset, const std::vector<FailedXattr>& failed) {
  for (const FailedXattr& xattr : failed) unset.push_back({UnsetPart::attribute, xattr.error, xattr.name});
}

struct timespec to_timespec(int64_t ns) {
  struct timespec time;
  int64_t seconds = ns / 1000000000;
  if (ns % 1000000000 < 0) seconds -= 1;
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = static_cast<long>(ns - seconds * 1000000000);
  return time;
}

void to_times(const Metadata& metadata, struct timespec times[2]) {
  times[0].tv_sec = 0;
  times[0].tv_nsec = UTIME_OMIT;
  times[1] = to_timespec(metadata.mtime_ns);
}

bool has_owner(const Metadata& metadata, const struct stat& status) {
  return (metadata.uid == LEAVE || metadata.uid == status.st_uid) &&
         (metadata.gid == LEAVE || metadata.gid == status.st_gid);
}

// Whose it was is known, and it is theirs.
bool has_known_owner(const Metadata& metadata, const struct stat& status) {
  return metadata.uid == status.st_uid && metadata.gid == status.st_gid;
}

// A file of somebody else's that would run with the rights of its new owner: it does not get them.
class Privileges {
 public:
  Privileges(const Metadata& metadata, const struct stat& status, int chown_error)
      : withheld_(chown_error != 0 || (!metadata.sets_owner && !has_known_owner(metadata, status))),
        is_file_(S_ISREG(status.st_mode)) {}

  bool are_given() const { return !withheld_; }
  mode_t mode_of(const Metadata& metadata) const {
    return metadata.mode & (withheld_ && is_file_ ? ~PRIVILEGES : ~mode_t{0});
  }
  void note_withheld(const Metadata& metadata, UnsetList& unset) const {
    if (!withheld_ || !is_file_) return;
    const bool has_bits = metadata.mode != LEAVE && (metadata.mode & PRIVILEGES) != 0;
    if (has_bits || has_capabilities(metadata.xattrs)) note(unset, UnsetPart::privileges, EPERM);
  }

 private:
  const bool withheld_;
  const bool is_file_;
};

// Attributes may be ACLs, which change the mode, and a new owner takes away setuid.
bool may_change_mode(const Metadata& metadata, bool is_chowned) {
  return is_chowned || metadata.xattrs.size > sizeof(uint32_t);
}

int set_mode(int parent, const char* name, mode_t mode) {
  if (fchmodat(parent, name, mode, AT_SYMLINK_NOFOLLOW) == 0) return 0;
  if (errno != ENOTSUP && errno != ENOSYS && errno != EINVAL) return errno;
  // The C library has no call that does not follow links.
  const Fd file(open_at(parent, name, READ_FLAGS));
  return file.get() < 0 ? -file.get() : result_of(fchmod(file.get(), mode));
}

bool is_forbidden(const std::vector<FailedXattr>& failed) {
  for (const FailedXattr& xattr : failed) {
    if (xattr.error == EACCES) return true;
  }
  return false;
}

// Returns whether the mode is another afterwards.
bool set_named_xattrs(int parent, const std::string& name, const Metadata& metadata, const struct stat& status,
                      bool with_capabilities, UnsetList& unset) {
  const XattrTarget target = XattrTarget::beside(parent, name);
  const auto failed = set_xattrs(target, metadata.xattrs, with_capabilities);
  // The user's own file that the user may not write: its mode is set afterwards.
  const bool opens_up = is_forbidden(failed) && metadata.mode != LEAVE && !S_ISLNK(status.st_mode) &&
                        set_mode(parent, name.c_str(), (status.st_mode & 07777u) | S_IWUSR) == 0;
  note(unset, opens_up ? set_xattrs(target, metadata.xattrs, with_capabilities) : failed);
  return opens_up;
}

}  // namespace

// The time comes last: what is torn shows by it.
void set_open_metadata(int fd, const Metadata& metadata, UnsetList& unset) {
  struct stat status;
  if (fstat(fd, &status) != 0) return note(unset, UnsetPart::mode, errno);
  const bool chowns = metadata.sets_owner && !has_owner(metadata, status);
  const int chown_error = chowns ? result_of(fchown(fd, metadata.uid, metadata.gid)) : 0;
  note(unset, UnsetPart::owner, chown_error);
  const Privileges privileges(metadata, status, chown_error);
  if (metadata.xattrs.size > 0) note(unset, set_xattrs({fd, {}}, metadata.xattrs, privileges.are_given()));
  if (metadata.mode != LEAVE) {
    const mode_t mode = privileges.mode_of(metadata);
    const bool has_mode = mode == (status.st_mode & 07777u) && !may_change_mode(metadata, chowns);
    if (!has_mode) note(unset, UnsetPart::mode, result_of(fchmod(fd, mode)));
  }
  privileges.note_withheld(metadata, unset);
  if (metadata.mtime_ns != LEAVE_TIME) {
    struct timespec times[2];
    to_times(metadata, times);
    note(unset, UnsetPart::time, result_of(futimens(fd, times)));
  }
}

int set_named_metadata(int parent, const std::string& name, const Metadata& metadata, UnsetList& unset) {
  struct stat status;
  if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  const bool chowns = metadata.sets_owner && !has_owner(metadata, status);
  const int chown_error =
      chowns ? result_of(fchownat(parent, name.c_str(), metadata.uid, metadata.gid, AT_SYMLINK_NOFOLLOW)) : 0;
  note(unset, UnsetPart::owner, chown_error);
  const Privileges privileges(metadata, status, chown_error);
  const bool opened_up =
      metadata.xattrs.size > 0 && set_named_xattrs(parent, name, metadata, status, privileges.are_given(), unset);
  // A symbolic link's own mode means nothing, and Linux cannot set it.
  if (metadata.mode != LEAVE && !S_ISLNK(status.st_mode)) {
    const mode_t mode = privileges.mode_of(metadata);
    const bool has_mode = mode == (status.st_mode & 07777u) && !opened_up && !may_change_mode(metadata, chowns);
    if (!has_mode) note(unset, UnsetPart::mode, set_mode(parent, name.c_str(), mode));
  }
  privileges.note_withheld(metadata, unset);
  if (metadata.mtime_ns != LEAVE_TIME) {
    struct timespec times[2];
    to_times(metadata, times);
    note(unset, UnsetPart::time, result_of(utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW)));
  }
  return 0;
}

bool stays_own(const Metadata& metadata, uid_t uid, gid_t gid) {
  if (!metadata.sets_owner) return true;
  return (metadata.uid == LEAVE || metadata.uid == uid) && (metadata.gid == LEAVE || metadata.gid == gid);
}

}  // namespace ibt
