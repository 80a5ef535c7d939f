// Any bytes load as a signature, or fail, as the format says and however they are cut; each block is found by its sums,
// and what is encoded against them is as long as the new content.
#include <cstring>

#include "../hash/bytes.h"
#include "../hash/strong.h"
#include "../hash/weak.h"
#include "../signature/index.h"
#include "naive.h"

using namespace ibt;
using namespace ibt::fuzz;

namespace {

std::shared_ptr<const Signature> load(const Bytes& signature, uint8_t cut) {
  SignatureLoader loader;
  in_pieces(signature, cut, [&](const uint8_t* bytes, size_t length) { loader.update(bytes, length); });
  return loader.finish();
}

std::optional<ErrorKind> expected_error(const Bytes& signature) {
  if (signature.size() < 12) return ErrorKind::input_ended;
  const uint32_t magic = load_be32(signature.data()), block_len = load_be32(signature.data() + 4);
  const uint32_t strong_len = load_be32(signature.data() + 8);
  if ((magic & 0xffffff00) != 0x72730100) return ErrorKind::bad_magic;
  const uint32_t weak = magic >> 4 & 15, strong = magic & 15;
  if ((weak != 3 && weak != 4) || (strong != 6 && strong != 7)) return ErrorKind::bad_magic;
  if (block_len == 0 || block_len > uint32_t(1) << 31) return ErrorKind::signature_corrupt;
  if (strong_len == 0 || strong_len > (strong == 7 ? 32 : 16)) return ErrorKind::signature_corrupt;
  if ((signature.size() - 12) % (4 + strong_len) != 0) return ErrorKind::input_ended;
  return std::nullopt;
}

void check_index(const Bytes& bytes, const Signature& signature) {
  const SignatureFormat& format = signature.format();
  const Signature::State& state = signature.state();
  const size_t record = 4 + format.strong_len;
  HOLDS(signature.blocks() == (bytes.size() - 12) / record);
  // Bounds the comparisons below.
  const size_t checked = std::min<size_t>(signature.blocks(), 100);
  for (size_t block = 0; block < checked; block++) {
    const uint8_t* at = bytes.data() + 12 + block * record;
    const uint32_t key = weak_key(format.weak, load_be32(at));
    size_t first = 0;
    while (std::memcmp(bytes.data() + 12 + first * record, at, record) != 0) first++;
    uint8_t digest[STRONG_MAX] = {};
    std::memcpy(digest, at + 4, format.strong_len);
    HOLDS(state.filter.may_have(key));
    HOLDS(state.any_of(key) < signature.blocks() && state.keys[state.any_of(key)] == key);
    HOLDS(state.find(key, digest) == first);
    digest[0] ^= 1;
    const uint32_t other = state.find(key, digest);
    HOLDS(other == NO_BLOCK || std::memcmp(state.strong_of(other), digest, format.strong_len) == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  Case input(bytes, length);
  const uint8_t cut = input.byte();
  const Bytes content = input.take(input.byte());
  const Bytes signature = input.rest();
  const auto expected = expected_error(signature);
  for (const uint8_t cut_by : {uint8_t(0), cut}) {
    std::shared_ptr<const Signature> loaded;
    HOLDS(error_of([&] { loaded = load(signature, cut_by); }) == expected);
    if (expected) continue;
    check_index(signature, *loaded);

    DeltaEncoder encoder(loaded);
    Bytes delta;
    in_pieces(content, cut_by, [&](const uint8_t* piece, size_t size) { encoder.update(piece, size, delta); });
    encoder.finish(delta);
    uint64_t made = 0;
    for (const NaiveCommand& command : naive_commands(delta)) made += command.length;
    HOLDS(made == content.size());
  }
  return 0;
}
