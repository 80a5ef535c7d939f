#include "fs_jobs.h"

#include <errno.h>

#include "../fs/beneath.h"
#include "../fs/extents.h"
#include "../fs/files.h"
#include "../fs/settled.h"
#include "../fs/share.h"
#include "arguments.h"
#include "results.h"

namespace ibt {
namespace {

Napi::Value to_js(Napi::Env env, FileBatch& batch) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("count", Napi::Number::New(env, static_cast<double>(batch.stats.size())));
  result.Set("columns", to_array_buffer(env, pack_columns(batch.stats)));
  result.Set("offsets", to_float64_array(env, batch.offsets));
  result.Set("flags", to_uint8_array(env, batch.flags));
  result.Set("sha256", to_buffer(env, std::move(batch.sha256)));
  result.Set("signatures", to_buffer(env, std::move(batch.signatures)));
  result.Set("signatureOffsets", to_float64_array(env, batch.signature_offsets));
  return result;
}

struct Opened {
  Fd fd;
  FileStat stat;
  bool is_settled;
};

Opened open_file(Root& root, const std::string& path, bool create, const CancelToken& cancel) {
  const SystemError::What what = create ? SystemError::What::write : SystemError::What::read;
  const int fd = create ? open_beneath(root.open(), path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600)
                        : open_beneath_to_read(root.open(), path);
  if (fd < 0) throw SystemError{-fd, "open", what};
  Opened opened{Fd(fd), {}, true};
  if (!create) {
    const Look look = look_settled(fd, cancel);
    opened.stat = look.stat;
    confirm_holes(fd, opened.stat);
    // Both moved it.
    lseek(fd, 0, SEEK_SET);
    opened.is_settled = look.is_settled;
    return opened;
  }
  struct stat status;
  if (fstat(fd, &status) != 0) throw SystemError{errno, "fstat", what};
  opened.stat = to_file_stat(status);
  return opened;
}

}  // namespace

// (root, names, count, slab, signMinBytes, blockLenMin, strongLen, racyMs, gaps, token)
Napi::Value read_files_job(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const double count = integer(info, 2, "count", 0, COUNT_MAX);
  BatchOptions options;
  options.sign_min_bytes = number(info, 4, "signMinBytes");
  options.block_len_min = static_cast<uint32_t>(integer(info, 5, "blockLenMin", 0, COUNT_MAX));
  options.strong_len = static_cast<uint32_t>(integer(info, 6, "strongLen", 0, COUNT_MAX));
  options.racy_ms = number(info, 7, "racyMs");
  if (options.strong_len > 32) options.strong_len = 32;
  if (!info[8].IsUndefined()) {
    options.gaps = column<uint32_t>(info, 8, "gaps", napi_uint32_array, static_cast<size_t>(count));
  }
  std::string root = byte_string(info, 0, "root");
  auto paths = strings(env, bytes(info, 1, "names", nullptr), static_cast<size_t>(count), "names");
  auto stop = token(info, 9);
  Room slab = room(info, 3, "slab");
  return start(
      env, std::move(stop), {},
      [root = std::move(root), paths = std::move(paths), memory = Slab{slab.data(), slab.size()},
       options](const CancelToken& cancel) { return read_files(root, paths, memory, options, cancel); },
      [slab = std::move(slab)](Napi::Env env, FileBatch& batch) mutable {
        slab.deliver(env, static_cast<size_t>(batch.offsets.back()));
        return to_js(env, batch);
      });
}

// (root, path, create, token)
Napi::Value open_file_job(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[2].IsBoolean()) throw Napi::TypeError::New(env, "create is not a boolean");
  const bool create = info[2].As<Napi::Boolean>().Value();
  Root root = root_of(info, 0);
  std::string path = byte_string(info, 1, "path");
  return start(
      env, token(info, 3), {},
      [root = std::move(root), path = std::move(path), create](const CancelToken& cancel) mutable {
        return open_file(root, path, create, cancel);
      },
      [](Napi::Env env, Opened& opened) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("columns", to_array_buffer(env, pack_columns({opened.stat})));
        result.Set("isSettled", Napi::Boolean::New(env, opened.is_settled));
        result.Set("fd", Napi::Number::New(env, opened.fd.get()));
        opened.fd.release();
        return result;
      });
}

// (fd, sizeBytes, max, token)
Napi::Value data_extents_job(const Napi::CallbackInfo& info) {
  Fd fd = own_descriptor(descriptor(info, 0, "fd"));
  const double size = integer(info, 1, "sizeBytes", 0, SAFE_MAX);
  const auto max = static_cast<size_t>(integer(info, 2, "max", 1, COUNT_MAX));
  return start(
      info.Env(), token(info, 3), {},
      [fd = std::move(fd), size, max](const CancelToken& cancel) { return data_extents(fd.get(), size, max, cancel); },
      [](Napi::Env env, std::vector<double>& extents) { return to_float64_array(env, extents); });
}

// (from, fromAt, to, toAt, sizeBytes, token): [start, size, errno]
Napi::Value share_blocks_job(const Napi::CallbackInfo& info) {
  Fd from = own_descriptor(descriptor(info, 0, "from"));
  const auto from_at = static_cast<uint64_t>(integer(info, 1, "fromAt", 0, SAFE_MAX));
  Fd to = own_descriptor(descriptor(info, 2, "to"));
  const auto to_at = static_cast<uint64_t>(integer(info, 3, "toAt", 0, SAFE_MAX));
  const auto size = static_cast<uint64_t>(integer(info, 4, "sizeBytes", 0, SAFE_MAX));
  return start(
      info.Env(), token(info, 5), {},
      [from = std::move(from), from_at, to = std::move(to), to_at, size](const CancelToken& cancel) {
        return share_blocks(from.get(), from_at, to.get(), to_at, size, cancel);
      },
      [](Napi::Env env, Shared& shared) {
        return to_float64_array(env, {static_cast<double>(shared.start), static_cast<double>(shared.size),
                                      static_cast<double>(shared.error)});
      });
}

// (fd, at, sizeBytes, token)
Napi::Value make_hole_job(const Napi::CallbackInfo& info) {
  Fd fd = own_descriptor(descriptor(info, 0, "fd"));
  const auto at = static_cast<uint64_t>(integer(info, 1, "at", 0, SAFE_MAX));
  const auto size = static_cast<uint64_t>(integer(info, 2, "sizeBytes", 0, SAFE_MAX));
  return start(
      info.Env(), token(info, 3), {},
      [fd = std::move(fd), at, size](const CancelToken&) { return make_hole(fd.get(), at, size); },
      [](Napi::Env env, bool& made) -> Napi::Value { return Napi::Boolean::New(env, made); });
}

// (path, token): a descriptor for the root of other jobs, which JavaScript closes
Napi::Value open_root_job(const Napi::CallbackInfo& info) {
  std::string path = byte_string(info, 0, "path");
  return start(
      info.Env(), token(info, 1), {}, [path = std::move(path)](const CancelToken&) { return open_root(path); },
      [](Napi::Env env, Fd& opened) -> Napi::Value { return Napi::Number::New(env, opened.release()); });
}

// (fd, token): closes what another job has opened, also if this one never gets its turn
Napi::Value close_descriptor_job(const Napi::CallbackInfo& info) {
  Fd fd(descriptor(info, 0, "fd"));
  return start(
      info.Env(), token(info, 1), {},
      [fd = std::move(fd)](const CancelToken&) mutable {
        const int number = result_of(::close(fd.release()));
        // After EINTR the descriptor is gone all the same.
        if (number != 0 && number != EINTR) throw SystemError{number, "close", SystemError::What::write};
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

}  // namespace ibt
