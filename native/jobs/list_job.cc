#include <optional>

#include "../fs/tree.h"
#include "arguments.h"
#include "fs_jobs.h"
#include "results.h"

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

}  // namespace ibt
