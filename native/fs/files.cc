#include "files.h"

#include <errno.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "../tar/header.h"
#include "beneath.h"
#include "extents.h"
#include "settled.h"
#include "system_error.h"

namespace ibt {
namespace {

constexpr int READS_MAX = 3;
constexpr size_t READ_STEP_BYTES = 1 << 20;
constexpr size_t HASH_BYTES = 128 << 10;

enum class Read { done, too_large, failed };

// Reads the file into the room, and adds up what was read. A file of the size that is expected is not asked for more:
// one that has grown since has another time, too.
Read read_to_end(int fd, double expected, Slab room, size_t& count, const CancelToken& cancel) {
  uint8_t beyond;
  for (count = 0;;) {
    cancel.check();
    if (count > 0 && static_cast<double>(count) == expected) return Read::done;
    const size_t left = std::min(room.size - count, READ_STEP_BYTES);
    // A byte where there is no room tells a file that has grown from one that ends here.
    const ssize_t got = left > 0 ? pread(fd, room.data + count, left, static_cast<off_t>(count))
                                 : pread(fd, &beyond, 1, static_cast<off_t>(count));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Read::failed;
    if (got == 0) return Read::done;
    if (left == 0) return Read::too_large;
    count += static_cast<size_t>(got);
  }
}

bool is_racy(const FileStat& stat, double racy_ms) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const double now_ns = static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
  // As doubles: the difference to a time of long ago has no room in 64 bits.
  const auto is_near = [&](int64_t time) { return std::fabs(now_ns - static_cast<double>(time)) <= racy_ms * 1e6; };
  return is_near(stat.mtime_ns) || is_near(stat.ctime_ns);
}

bool is_same(const FileStat& a, const FileStat& b) {
  return a.size == b.size && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns && a.ino == b.ino;
}

class BatchReader {
 public:
  BatchReader(size_t count, Slab slab, const BatchOptions& options, const CancelToken& cancel)
      : slab_(slab), options_(options), cancel_(cancel) {
    batch_.stats.reserve(count);
    batch_.flags.reserve(count);
    batch_.offsets.reserve(count + 1);
    batch_.sha256.reserve(32 * count);
    batch_.signature_offsets.reserve(count + 1);
  }

  void add(int root, const std::string& path) {
    const bool has_gap = !options_.gaps.empty();
    if (has_gap) used_ = std::min(slab_.size, used_ + options_.gaps[batch_.stats.size()]);
    const size_t start = used_;
    size_t count = 0;
    uint8_t flags = 0;
    FileStat stat;
    const Fd file(open_beneath_to_read(root, path));
    if (file.get() < 0) stat = failed_stat(-file.get());
    else stat = try_read(file.get(), flags, count);
    const bool is_read = stat.error == 0 && (flags & (FILE_TOO_LARGE | FILE_NOT_REGULAR)) == 0;
    if (is_read) used_ += count;
    if (is_read && has_gap) pad();
    batch_.stats.push_back(stat);
    batch_.flags.push_back(flags);
    batch_.offsets.push_back(static_cast<double>(start));
    waiting_.push_back(is_read ? std::optional<Content>({slab_.data + start, count}) : std::nullopt);
    if (used_ - hashed_ >= HASH_BYTES) hash_waiting();
  }

  FileBatch finish() {
    hash_waiting();
    batch_.offsets.push_back(static_cast<double>(used_));
    batch_.signature_offsets.push_back(static_cast<double>(batch_.signatures.size()));
    return std::move(batch_);
  }

 private:
  void pad() {
    const size_t padding = std::min(slab_.size - used_, tar_padding(used_));
    std::memset(slab_.data + used_, 0, padding);
    used_ += padding;
  }

  FileStat try_read(int fd, uint8_t& flags, size_t& count) {
    try {
      return read(fd, flags, count);
    } catch (const SystemError& error) {
      return failed_stat(error.number);
    }
  }

  FileStat read(int fd, uint8_t& flags, size_t& count) {
    const Slab room{slab_.data + used_, slab_.size - used_};
    for (int reads = 1;; reads++) {
      const Look look = look_settled(fd, cancel_);
      const FileStat& before = look.stat;
      flags = 0;
      if (before.type != TYPE_FILE) flags = FILE_NOT_REGULAR;
      else if (before.size > static_cast<double>(room.size)) flags = FILE_TOO_LARGE;
      if (flags != 0) return before;
      const Read outcome = read_to_end(fd, before.size, room, count, cancel_);
      if (outcome == Read::failed) return failed_stat(errno);
      struct stat status;
      if (fstat(fd, &status) != 0) return failed_stat(errno);
      FileStat after = to_file_stat(status);
      confirm_holes(fd, after);
      if (outcome == Read::too_large) {
        flags = FILE_TOO_LARGE;
        return after;
      }
      if (is_racy(after, options_.racy_ms)) flags |= FILE_RACY;
      const bool is_whole = is_same(before, after) && static_cast<double>(count) == after.size;
      if (is_whole && look.is_settled) return after;
      if (reads == READS_MAX || !look.is_settled) {
        flags |= FILE_DIRTY;
        after.size = static_cast<double>(count);
        return after;
      }
    }
  }

  // Several files at once, while what was read is still in the cache.
  void hash_waiting() {
    const bool is_first = hashed_ == 0;
    hashed_ = used_;
    std::vector<Content> read;
    for (const std::optional<Content>& content : waiting_) {
      if (content) read.push_back(*content);
    }
    digests_.resize(32 * read.size());
    sha256_many(read.data(), read.size(), digests_.data());
    const uint8_t* digest = digests_.data();
    for (const std::optional<Content>& content : waiting_) {
      batch_.signature_offsets.push_back(static_cast<double>(batch_.signatures.size()));
      if (!content) {
        batch_.sha256.insert(batch_.sha256.end(), 32, 0);
        continue;
      }
      batch_.sha256.insert(batch_.sha256.end(), digest, digest + 32);
      digest += 32;
      if (static_cast<double>(content->length) >= options_.sign_min_bytes) sign(content->bytes, content->length);
    }
    waiting_.clear();
    // Room for those of the whole slab: to grow by and by costs pages that are touched once.
    if (is_first && used_ > 0) batch_.signatures.reserve(batch_.signatures.size() * (slab_.size / used_ + 1));
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

  const Slab slab_;
  const BatchOptions& options_;
  const CancelToken& cancel_;
  size_t used_ = 0;
  size_t hashed_ = 0;
  // Files that are not hashed yet, and gaps for those that could not be read.
  std::vector<std::optional<Content>> waiting_;
  Bytes digests_;
  FileBatch batch_;
};

}  // namespace

FileBatch read_files(const std::string& root, const std::vector<std::string>& paths, Slab slab,
                     const BatchOptions& options, const CancelToken& cancel) {
  const Fd top = open_root(root);
  BatchReader reader(paths.size(), slab, options, cancel);
  for (const std::string& path : paths) {
    cancel.check();
    reader.add(top.get(), path);
  }
  return reader.finish();
}

}  // namespace ibt
