#include <algorithm>
#include <optional>

#include "../fs/operations.h"
#include "arguments.h"
#include "fs_jobs.h"
#include "results.h"
#include "wrapped.h"

namespace ibt {
namespace {

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

// ()
Napi::Value make_sequence(const Napi::CallbackInfo& info) {
  return Wrapped<OpenSequence>::make(info.Env(), std::make_shared<OpenSequence>(), sizeof(Progress));
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
