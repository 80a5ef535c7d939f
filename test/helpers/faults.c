/* Preloaded, it makes system calls on a file fail or disturb the file, as the file's name says: NAME#FAULT.
   #open #fstat #readdir #seek #close   that call says EIO;  #look  Node's fstat does, the addon's does not
   #chmod #chown #setxattr #utimens   that change says EIO
   #read        every read says EIO;  #late  every read behind the first 2 MiB does
   #ghost       the file is listed and never found; #noopen  so it is when it is opened
   #xlist #xget its extended attributes cannot be listed, or one not be read: EIO
   #packed      it takes no room on the disk, as if it were compressed, but has no holes
   #busyN       the first N reads, of all files with that N, change the file's times behind the reader's back */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LATE (2 << 20)
#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int has(const char* path, const char* fault) {
  const char* name = path == NULL ? NULL : strrchr(path, '/');
  const char* mark = path == NULL ? NULL : strchr(name == NULL ? path : name, '#');
  return mark != NULL && strncmp(mark + 1, fault, strlen(fault)) == 0 ? (mark[1 + strlen(fault)] & 0x7f) | 0x80 : 0;
}

static int fd_has(int fd, const char* fault) {
  char link[64], path[8192];
  const int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (length < 0) return 0;
  path[length] = 0;
  return has(path, fault);
}

static int fail_with(int error) {
  errno = error;
  return -1;
}

static int fail(void) { return fail_with(EIO); }

static int is_missing(const char* path) { return has(path, "ghost") || has(path, "noopen"); }

static int is_failing(int fd, off_t offset) {
  return fd_has(fd, "read") || (offset >= LATE && fd_has(fd, "late"));
}

static void disturb(int fd) {
  static int reads[10];
  const int max = (fd_has(fd, "busy") & 0x7f) - '0';
  if (max < 0 || max > 9) return;
  const int before = __atomic_fetch_add(&reads[max], 1, __ATOMIC_RELAXED);
  if (before < max) {
    const struct timespec times[2] = {{1700000000, 0}, {1700000000 + before, 0}};
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    utimensat(AT_FDCWD, link, times, 0);
  }
}

#define PREAD(name, type) \
  ssize_t name(int fd, void* buffer, size_t size, type offset) { \
    REAL(name); \
    if (is_failing(fd, offset)) return fail(); \
    const ssize_t count = real(fd, buffer, size, offset); \
    disturb(fd); \
    return count; \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

int close(int fd) {
  REAL(close);
  const int is_bad = fd_has(fd, "close");
  const int result = real(fd);
  return is_bad ? fail() : result;
}

#define SEEK(name, type) \
  type name(int fd, type offset, int whence) { \
    REAL(name); \
    return fd_has(fd, "seek") ? fail() : real(fd, offset, whence); \
  }
SEEK(lseek, off_t)
SEEK(lseek64, off64_t)

#define READDIR(name, type) \
  struct type* name(DIR* directory) { \
    REAL(name); \
    if (!fd_has(dirfd(directory), "readdir")) return real(directory); \
    fail(); \
    return NULL; \
  }
READDIR(readdir, dirent)
READDIR(readdir64, dirent64)

#define FSTAT(name, type) \
  int name(int fd, struct type* status) { \
    REAL(name); \
    return fd_has(fd, "fstat") ? fail() : real(fd, status); \
  }
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)

#define FSTATAT(name, type) \
  int name(int directory, const char* path, struct type* status, int flags) { \
    REAL(name); \
    if (has(path, "ghost")) return fail_with(ENOENT); \
    const int result = real(directory, path, status, flags); \
    if (result == 0 && has(path, "packed")) status->st_blocks = 0; \
    return result; \
  }
FSTATAT(fstatat, stat)
FSTATAT(fstatat64, stat64)

ssize_t llistxattr(const char* path, char* list, size_t size) {
  REAL(llistxattr);
  return has(path, "xlist") ? fail() : real(path, list, size);
}

ssize_t lgetxattr(const char* path, const char* name, void* value, size_t size) {
  REAL(lgetxattr);
  return has(path, "xget") ? fail() : real(path, name, value, size);
}

#define OPENAT(name) \
  int name(int directory, const char* path, int flags, ...) { \
    REAL(name); \
    va_list more; \
    va_start(more, flags); \
    const mode_t mode = va_arg(more, mode_t); \
    va_end(more); \
    if (is_missing(path)) return fail_with(ENOENT); \
    return has(path, "open") ? fail() : real(directory, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

/* openat2, and libuv's statx. */
long syscall(long number, ...) {
  REAL(syscall);
  va_list more;
  long a[6];
  va_start(more, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(more, long);
  va_end(more);
#ifdef SYS_openat2
  if (number == SYS_openat2 && is_missing((const char*)a[1])) return fail_with(ENOENT);
  if (number == SYS_openat2 && has((const char*)a[1], "open")) return fail();
#endif
#ifdef SYS_statx
  if (number == SYS_statx && ((const char*)a[1])[0] == 0 && fd_has((int)a[0], "look")) return fail();
#endif
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int statx(int fd, const char* path, int flags, unsigned mask, struct statx* status) {
  REAL(statx);
  return path[0] == 0 && fd_has(fd, "look") ? fail() : real(fd, path, flags, mask, status);
}

#define CHANGE(name, declared, is_bad, ...) \
  int name declared { \
    REAL(name); \
    return is_bad ? fail() : real(__VA_ARGS__); \
  }
CHANGE(fchmod, (int fd, mode_t mode), fd_has(fd, "chmod"), fd, mode)
CHANGE(fchmodat, (int at, const char* path, mode_t mode, int flags), has(path, "chmod"), at, path, mode, flags)
CHANGE(fchown, (int fd, uid_t uid, gid_t gid), fd_has(fd, "chown"), fd, uid, gid)
CHANGE(fchownat, (int at, const char* path, uid_t uid, gid_t gid, int flags), has(path, "chown"), at, path, uid, gid,
       flags)
CHANGE(fsetxattr, (int fd, const char* name, const void* value, size_t size, int flags),
       fd_has(fd, "setxattr"), fd, name, value, size, flags)
CHANGE(lsetxattr, (const char* path, const char* name, const void* value, size_t size, int flags),
       has(path, "setxattr"), path, name, value, size, flags)
CHANGE(futimens, (int fd, const struct timespec times[2]), fd_has(fd, "utimens"), fd, times)
CHANGE(utimensat, (int at, const char* path, const struct timespec times[2], int flags), has(path, "utimens"), at,
       path, times, flags)
