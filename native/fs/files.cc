#include "files.h"

#include <errno.h>
#include <time.h>

#include <algorithm>
#include <cmath>

#include "beneath.h"

namespace ibt {
namespace {

constexpr int READS_MAX = 3;
constexpr size_t STEP_BYTES = 1 << 20;

enum class Read { done, too_large, failed };

// Appends the file's bytes; stops when they are more than `max`.
Read read_to_end(int fd, double size, double max, RawBytes& slab, const CancelToken& cancel) {
  const size_t start = slab.size();
  for (;;) {
    cancel.check();
    // One byte more than there should be, to see the end. Past that it has grown: go on in large steps.
    const double got = static_cast<double>(slab.size() - start);
    const double rest = size + 1 - got;
    const size_t step = rest < 1 ? STEP_BYTES : static_cast<size_t>(std::min(rest, static_cast<double>(STEP_BYTES)));
    slab.reserve_more(step);
    const ssize_t count = pread(fd, slab.end(), step, static_cast<off_t>(got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Read::failed;
    if (count == 0) return Read::done;
    slab.added(static_cast<size_t>(count));
    if (static_cast<double>(slab.size() - start) > max) return Read::too_large;
  }
}

bool is_racy(const FileStat& stat, double racy_ms) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t now_ns = static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
  const auto is_near = [&](int64_t time) { return std::fabs(static_cast<double>(now_ns - time)) <= racy_ms * 1e6; };
  return is_near(stat.mtime_ns) || is_near(stat.ctime_ns);
}

bool is_same(const FileStat& a, const FileStat& b) {
  return a.size == b.size && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns && a.ino == b.ino;
}

class BatchReader {
 public:
  BatchReader(const BatchOptions& options, const CancelToken& cancel) : options_(options), cancel_(cancel) {}

  void add(int root, const std::string& path) {
    const size_t start = batch_.slab.size();
    uint8_t flags = 0;
    FileStat stat;
    const Fd file(open_beneath(root, path, READ_FLAGS));
    if (file.get() < 0) stat = failed_stat(-file.get());
    else stat = read(file.get(), flags);
    const bool is_read = stat.error == 0 && (flags & (FILE_TOO_LARGE | FILE_NOT_REGULAR)) == 0;
    if (!is_read) batch_.slab.truncate(start);
    batch_.stats.push_back(stat);
    batch_.flags.push_back(flags);
    batch_.offsets.push_back(static_cast<double>(start));
    batch_.signature_offsets.push_back(static_cast<double>(batch_.signatures.size()));
    hash(start, is_read);
  }

  FileBatch finish() {
    batch_.offsets.push_back(static_cast<double>(batch_.slab.size()));
    batch_.signature_offsets.push_back(static_cast<double>(batch_.signatures.size()));
    batch_.slab.shrink();
    return std::move(batch_);
  }

 private:
  FileStat read(int fd, uint8_t& flags) {
    const size_t start = batch_.slab.size();
    struct stat status;
    if (fstat(fd, &status) != 0) return failed_stat(errno);
    FileStat before = to_file_stat(status);
    for (int reads = 1;; reads++) {
      flags = 0;
      if (before.type != TYPE_FILE) flags = FILE_NOT_REGULAR;
      else if (before.size > options_.max_bytes) flags = FILE_TOO_LARGE;
      if (flags != 0) return before;
      batch_.slab.truncate(start);
      const Read outcome = read_to_end(fd, before.size, options_.max_bytes, batch_.slab, cancel_);
      if (outcome == Read::failed) return failed_stat(errno);
      if (fstat(fd, &status) != 0) return failed_stat(errno);
      FileStat after = to_file_stat(status);
      if (outcome == Read::too_large) {
        flags = FILE_TOO_LARGE;
        return after;
      }
      if (is_racy(after, options_.racy_ms)) flags |= FILE_RACY;
      const double count = static_cast<double>(batch_.slab.size() - start);
      if (is_same(before, after) && count == after.size) return after;
      if (reads == READS_MAX) {
        flags |= FILE_DIRTY;
        after.size = count;
        return after;
      }
      before = after;
    }
  }

  void hash(size_t start, bool is_read) {
    std::array<uint8_t, 32> digest{};
    if (is_read) {
      const uint8_t* bytes = batch_.slab.data() + start;
      const size_t length = batch_.slab.size() - start;
      Sha256 sha256;
      sha256.update(bytes, length);
      digest = sha256.finish();
      if (static_cast<double>(length) >= options_.sign_min_bytes) sign(bytes, length);
    }
    batch_.sha256.insert(batch_.sha256.end(), digest.begin(), digest.end());
  }

  void sign(const uint8_t* bytes, size_t length) {
    const auto resolve = [&](int64_t block_len) {
      return resolve_format(Weak::rabinkarp, Strong::blake2, block_len, options_.strong_len,
                            static_cast<int64_t>(length));
    };
    const SignatureFormat format = resolve(std::max(resolve(0).block_len, options_.block_len_min));
    SignatureWriter writer(format);
    writer.update(bytes, length, batch_.signatures);
    writer.finish(batch_.signatures);
  }

  const BatchOptions& options_;
  const CancelToken& cancel_;
  FileBatch batch_;
};

}  // namespace

FileBatch read_files(const std::string& root, const std::vector<std::string>& paths, const BatchOptions& options,
                     const CancelToken& cancel) {
  const Fd top = open_root(root);
  BatchReader reader(options, cancel);
  for (const std::string& path : paths) {
    cancel.check();
    reader.add(top.get(), path);
  }
  return reader.finish();
}

}  // namespace ibt
