// Signs files with librsync in one process, and hashes them with OpenSSL if asked to.
// Usage: librsync-files DIRECTORY COUNT [sha256]; files are named 0, 1, and so on.
// Prints the seconds, the seconds of CPU and the bytes of the signatures. Each file is read whole, by one read, and
// signed in memory, by one call: librsync has no less to do for one.
#include <fcntl.h>
#include <librsync.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_SHA256
#include <openssl/sha.h>
#endif

static char content[1 << 20], signature[1 << 20];

static size_t sign(int directory, const char *name, int hashed) {
  const int fd = openat(directory, name, O_RDONLY);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0 || status.st_size > (off_t)sizeof content) exit(1);
  const ssize_t size = read(fd, content, sizeof content);
  if (size != status.st_size || close(fd) != 0) exit(1);

  rs_magic_number magic = 0;
  size_t block_len = 0, strong_len = 0;
  if (rs_sig_args(size, &magic, &block_len, &strong_len) != RS_DONE) exit(1);
  rs_job_t *job = rs_sig_begin(block_len, strong_len, magic);
  rs_buffers_t buffers = {content, (size_t)size, 1, signature, sizeof signature};
  if (rs_job_iter(job, &buffers) != RS_DONE) exit(1);
  rs_job_free(job);
#ifdef WITH_SHA256
  unsigned char digest[SHA256_DIGEST_LENGTH];
  if (hashed) SHA256((unsigned char *)content, (size_t)size, digest);
#else
  if (hashed) exit(1);
#endif
  return sizeof signature - buffers.avail_out;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const int directory = open(argv[1], O_RDONLY | O_DIRECTORY);
  const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  size_t bytes = 0;
  for (int i = 0, count = atoi(argv[2]); i < count; i++) {
    char name[16];
    snprintf(name, sizeof name, "%d", i);
    bytes += sign(directory, name, argc > 3);
  }
  printf("%f %f %zu\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, bytes);
  return 0;
}
