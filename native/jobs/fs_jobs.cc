#include "fs_jobs.h"

#include <errno.h>

#include <algorithm>
#include <optional>

#include "../fs/beneath.h"
#include "../fs/extents.h"
#include "../fs/files.h"
#include "../fs/operations.h"
#include "../fs/settled.h"
#include "../fs/share.h"
#include "../fs/tree.h"
#include "arguments.h"
#include "results.h"
#include "wrapped.h"

namespace ibt {
namespace {

Napi::Object to_js(Napi::Env env, DirectoryListing& listing) {
  Napi::Array captured = Napi::Array::New(env, listing.captured.size());
  for (size_t i = 0; i < listing.captured.size(); i++) {
    std::optional<RawBytes>& bytes = listing.captured[i];
    captured.Set(static_cast<uint32_t>(i), bytes ? to_buffer(env, std::move(*bytes)) : env.Undefined());
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("count", Napi::Number::New(env, static_cast<double>(listing.stats.size())));
  result.Set("columns", to_array_buffer(env, pack_columns(listing.stats)));
  result.Set("names", to_buffer(env, std::move(listing.names)));
  result.Set("linknames", to_buffer(env, std::move(listing.linknames)));
  result.Set("nameOffsets", to_uint32_array(env, listing.name_offsets));
  result.Set("linknameOffsets", to_uint32_array(env, listing.linkname_offsets));
  result.Set("xattrs", to_buffer(env, std::move(listing.xattrs)));
  result.Set("captured", captured);
  result.Set("dev", Napi::BigInt::New(env, listing.self.dev));
  result.Set("ino", Napi::BigInt::New(env, listing.self.ino));
  return result;
}

Napi::Value to_js(Napi::Env env, ListedTree& tree) {
  Napi::Array directories = Napi::Array::New(env, tree.directories.size());
  for (size_t i = 0; i < tree.directories.size(); i++) {
    ListedTree::Directory& directory = tree.directories[i];
    Napi::Object listing = to_js(env, directory.listing);
    listing.Set("parent", Napi::Number::New(env, directory.parent));
    listing.Set("entry", Napi::Number::New(env, directory.entry));
    directories.Set(static_cast<uint32_t>(i), listing);
  }
  std::vector<int32_t> errnos;
  Napi::Array syscalls = Napi::Array::New(env, tree.failures.size());
  for (const ListedTree::Failure& failure : tree.failures) {
    syscalls.Set(static_cast<uint32_t>(errnos.size()), Napi::String::New(env, failure.syscall));
    errnos.push_back(failure.error);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("directories", directories);
  result.Set("starts", to_int32_array(env, tree.starts));
  result.Set("errnos", to_int32_array(env, errnos));
  result.Set("syscalls", syscalls);
  return result;
}

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

// A name, or a descriptor that stays the caller's.
Root root_of(const Napi::CallbackInfo& info, size_t index) {
  if (info[index].IsNumber()) return Root(own_descriptor(descriptor(info, index, "root")));
  return Root(byte_string(info, index, "root"));
}

// [operation, part, errno, attribute] for each.
Napi::Value to_js(Napi::Env env, Operated& operated) {
  Napi::Array all = Napi::Array::New(env, operated.unset.size());
  uint32_t count = 0;
  for (const auto& [operation, unset] : operated.unset) {
    Napi::Array one = Napi::Array::New(env, 4);
    one.Set(0u, Napi::Number::New(env, operation));
    one.Set(1u, Napi::Number::New(env, static_cast<double>(unset.part)));
    one.Set(2u, Napi::Number::New(env, unset.error));
    one.Set(3u, Napi::Buffer<char>::Copy(env, unset.attribute.data(), unset.attribute.size()));
    all.Set(count++, one);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("errnos", to_int32_array(env, operated.errors));
  result.Set("unset", all);
  return result;
}

struct OpenSequence : Sequence {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x73657175656e6301};
};

// A column of operations, copied: JavaScript could change it while the job runs.
template <class T>
std::vector<T> column(const Napi::CallbackInfo& info, size_t index, const char* name, napi_typedarray_type type,
                      size_t count) {
  const Span span = typed(info[index], name, type, nullptr);
  if (span.size != count * sizeof(T)) {
    throw Napi::RangeError::New(info.Env(), std::string(name) + " does not have " + std::to_string(count) +
                                                " elements");
  }
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), span.data, span.size);
  return values;
}

// The bytes between two offsets.
Span part(Napi::Env env, const Span& whole, const std::vector<double>& offsets, size_t index, const char* message) {
  const double start = offsets[index];
  const double end = offsets[index + 1];
  // Written so that NaN is refused too.
  if (!(start >= 0 && start <= end && end <= static_cast<double>(whole.size))) {
    throw Napi::RangeError::New(env, message);
  }
  return {whole.data + static_cast<size_t>(start), static_cast<size_t>(end) - static_cast<size_t>(start)};
}

std::vector<Operation> operations(const Napi::CallbackInfo& info, Held& held) {
  const Napi::Env env = info.Env();
  if (!info[15].IsBoolean()) throw Napi::TypeError::New(env, "setsOwner is not a boolean");
  const bool sets_owner = info[15].As<Napi::Boolean>().Value();
  const size_t count = typed(info[1], "codes", napi_uint8_array, nullptr).size;
  const auto codes = column<uint8_t>(info, 1, "codes", napi_uint8_array, count);
  auto paths = strings(env, bytes(info, 2, "paths", nullptr), count, "paths");
  auto others = strings(env, bytes(info, 3, "others", nullptr), count, "others");
  const auto modes = column<uint32_t>(info, 4, "modes", napi_uint32_array, count);
  const auto uids = column<uint32_t>(info, 5, "uids", napi_uint32_array, count);
  const auto gids = column<uint32_t>(info, 6, "gids", napi_uint32_array, count);
  const auto mtimes = column<int64_t>(info, 7, "mtimesNs", napi_bigint64_array, count);
  const auto dev_majors = column<uint32_t>(info, 8, "devMajors", napi_uint32_array, count);
  const auto dev_minors = column<uint32_t>(info, 9, "devMinors", napi_uint32_array, count);
  const auto xattr_offsets = column<double>(info, 11, "xattrOffsets", napi_float64_array, count + 1);
  const auto offsets = column<double>(info, 13, "offsets", napi_float64_array, count + 1);
  const Span xattrs = bytes(info, 10, "xattrs", &held);
  const Span slab = bytes(info, 12, "slab", &held);
  const Span digests = bytes(info, 14, "digests", &held);
  if (digests.size != 32 * count) throw Napi::RangeError::New(env, "digests are not 32 bytes each");
  std::vector<Operation> all;
  all.reserve(count);
  for (size_t i = 0; i < count; i++) {
    const Span list = part(env, xattrs, xattr_offsets, i, "xattrOffsets do not ascend within xattrs");
    const Span body = part(env, slab, offsets, i, "offsets do not ascend within slab");
    const uint8_t* digest = digests.data + 32 * i;
    const bool has_digest = std::any_of(digest, digest + 32, [](uint8_t byte) { return byte != 0; });
    const Metadata metadata{modes[i], uids[i], gids[i], mtimes[i], {list.data, list.size}, sets_owner};
    all.push_back({codes[i], std::move(paths[i]), std::move(others[i]), metadata, dev_majors[i], dev_minors[i],
                   body.data, body.size, has_digest ? digest : nullptr});
  }
  return all;
}

}  // namespace

// (root, paths, count, capture, captureMaxBytes, captureLinks, belowEntries, token)
Napi::Value list_directories_job(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const double count = integer(info, 2, "count", 0, COUNT_MAX);
  Capture capture;
  capture.max_bytes = static_cast<size_t>(integer(info, 4, "captureMaxBytes", 0, COUNT_MAX));
  capture.follow = static_cast<size_t>(integer(info, 5, "captureLinks", 0, COUNT_MAX));
  const auto below = static_cast<size_t>(integer(info, 6, "belowEntries", 0, COUNT_MAX));
  if (!info[3].IsArray()) throw Napi::TypeError::New(env, "capture is not an array");
  const Napi::Array names = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i < names.Length(); i++) {
    capture.names.push_back(string_of(typed(names.Get(i), "capture", napi_uint8_array, nullptr)));
  }
  Root root = root_of(info, 0);
  auto paths = strings(env, bytes(info, 1, "paths", nullptr), static_cast<size_t>(count), "paths");
  return start(
      env, token(info, 7), {},
      [root = std::move(root), paths = std::move(paths), capture = std::move(capture), below](
          const CancelToken& cancel) mutable { return list_trees(root.open(), paths, capture, below, cancel); },
      [](Napi::Env env, ListedTree& tree) { return to_js(env, tree); });
}

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

// ()
Napi::Value make_sequence(const Napi::CallbackInfo& info) {
  return Wrapped<OpenSequence>::make(info.Env(), std::make_shared<OpenSequence>(), sizeof(Progress));
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

// (root, codes, paths, others, modes, uids, gids, mtimesNs, devMajors, devMinors, xattrs, xattrOffsets, slab, offsets,
// digests, setsOwner, sequence, token)
Napi::Value operate_job(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Held held;
  auto all = operations(info, held);
  Root root = root_of(info, 0);
  auto cancel_token = token(info, 17);
  std::optional<Turn> turn;
  if (!info[16].IsUndefined()) turn.emplace(*Wrapped<OpenSequence>::get(env, info[16], "sequence"));
  return start(
      env, std::move(cancel_token), std::move(held),
      [root = std::move(root), all = std::move(all), turn = std::move(turn)](const CancelToken& cancel) mutable {
        // Let go of at the job's end, not only when JavaScript gets to it.
        std::optional<Turn> mine = std::move(turn);
        return operate(root.open(), all, mine ? &*mine : nullptr, cancel);
      },
      [](Napi::Env env, Operated& operated) { return to_js(env, operated); });
}

}  // namespace ibt
