// Every kernel of every level, of any bytes at any alignment, against references of the specifications.
#include "../hash/dispatch.h"
#include "../hash/rollsum.h"
#include "../hash/strong.h"
#include "reference.h"

using namespace ibt;
using namespace ibt::fuzz;

namespace {

uint32_t naive_rabinkarp(uint32_t sum, const uint8_t* bytes, size_t length) {
  for (size_t i = 0; i < length; i++) sum = sum * 0x08104225 + bytes[i];
  return sum;
}

uint32_t naive_rollsum(const uint8_t* bytes, size_t length) {
  uint32_t s1 = 0, s2 = 0;
  for (size_t i = 0; i < length; i++) {
    s1 += bytes[i] + 31u;
    s2 += uint32_t(length - i) * (bytes[i] + 31u);
  }
  return s2 << 16 | (s1 & 0xffff);
}

void check_strong(Case input) {
  const size_t count = input.byte() % (STRONG_LANES + 2), skew = input.byte() % 64, length = input.left() / (count + 1);
  std::vector<Bytes> copies;
  std::vector<const uint8_t*> blocks;
  for (size_t i = 0; i < count; i++) {
    Bytes copy(skew + i);
    const Bytes part = input.take(length);
    copy.insert(copy.end(), part.begin(), part.end());
    copies.push_back(std::move(copy));
  }
  for (size_t i = 0; i < count; i++) blocks.push_back(copies[i].data() + skew + i);
  for (const Simd simd : simd_levels()) {
    const Kernels kernels = kernels_at(simd);
    for (const Strong strong : {Strong::blake2, Strong::md4}) {
      Bytes digests(count * STRONG_MAX);
      (strong == Strong::blake2 ? kernels.blake2b_many : kernels.md4_many)(blocks.data(), count, length, digests.data());
      for (size_t i = 0; i < count; i++) {
        const Bytes block(blocks[i], blocks[i] + length);
        const Bytes expected = strong == Strong::blake2 ? blake2b(block) : md4(block);
        HOLDS(std::equal(expected.begin(), expected.end(), digests.begin() + std::ptrdiff_t(i * STRONG_MAX)));
      }
    }
  }
}

void check_streams(Case input) {
  const uint8_t cut = input.byte();
  const Bytes bytes = input.rest();
  StrongStream blake2_stream(Strong::blake2), md4_stream(Strong::md4);
  Sha256 sha256_stream;
  Rollsum rollsum;
  in_pieces(bytes, cut, [&](const uint8_t* piece, size_t length) {
    blake2_stream.update(piece, length);
    md4_stream.update(piece, length);
    sha256_stream.update(piece, length);
    rollsum.update(piece, length);
  });
  uint8_t digest[STRONG_MAX];
  blake2_stream.finish(digest);
  HOLDS(blake2b(bytes) == Bytes(digest, digest + 32));
  md4_stream.finish(digest);
  HOLDS(md4(bytes) == Bytes(digest, digest + 16));
  const auto streamed = sha256_stream.finish();
  HOLDS(sha256(bytes) == Bytes(streamed.begin(), streamed.end()));
  HOLDS(rollsum.digest() == naive_rollsum(bytes.data(), bytes.size()));
}

void check_sha256(Case input) {
  const size_t skew = input.byte() % 64, cut = input.word();
  std::vector<Bytes> contents = {input.take(cut), input.take(cut / 2), input.rest()};
  std::vector<Content> many;
  for (Bytes& content : contents) {
    content.insert(content.begin(), skew, 0);
    many.push_back({content.data() + skew, content.size() - skew});
  }
  Bytes digests(32 * many.size());
  sha256_many(many.data(), many.size(), digests.data());
  for (size_t i = 0; i < many.size(); i++) {
    const Bytes expected = sha256(Bytes(many[i].bytes, many[i].bytes + many[i].length));
    HOLDS(std::equal(expected.begin(), expected.end(), digests.begin() + std::ptrdiff_t(32 * i)));
  }
  // Whole blocks of two contents at a time.
  const size_t count = std::min(many[0].length, many[1].length) / 64;
  for (const Simd simd : simd_levels()) {
    uint32_t pair[2][8], single[2][8];
    for (unsigned i = 0; i < 2; i++) {
      std::copy(SHA256_START.begin(), SHA256_START.end(), pair[i]);
      std::copy(SHA256_START.begin(), SHA256_START.end(), single[i]);
      sha256_blocks_portable(single[i], many[i].bytes, count);
    }
    uint32_t* const states[] = {pair[0], pair[1]};
    const uint8_t* const blocks[] = {many[0].bytes, many[1].bytes};
    kernels_at(simd).sha256_pair(states, blocks, count);
    HOLDS(std::memcmp(pair, single, sizeof pair) == 0);
    std::copy(SHA256_START.begin(), SHA256_START.end(), pair[0]);
    kernels_at(simd).sha256_blocks(pair[0], many[0].bytes, count);
    HOLDS(std::memcmp(pair[0], single[0], sizeof pair[0]) == 0);
  }
}

// A search, at every level, stops at the first window that the filter may have.
void check_search(Case input) {
  const size_t skew = input.byte() % 64, keys = input.byte();
  const size_t wanted = 1 + input.word() % 2048;
  WeakFilter filter(input.byte() & 1 ? keys : 1);
  std::vector<uint32_t> places;
  for (size_t i = 0; i < keys % 16; i++) places.push_back(input.word());
  Bytes bytes = input.rest();
  if (bytes.empty()) return;
  const size_t block_len = std::min(wanted, bytes.size()), room = bytes.size() - block_len;
  bytes.insert(bytes.begin(), skew, 0);
  const uint8_t* start = bytes.data() + skew;

  for (const uint32_t place : places) filter.add(naive_rabinkarp(1, start + place % (room + 1), block_len));
  // What is not there, and may look so.
  for (size_t i = 0; i < keys; i++) filter.add(uint32_t(i * 0x9e3779b1u));
  const RabinKarpLeave leave(block_len);
  size_t expected = 1;
  while (expected <= room && !filter.may_have(naive_rabinkarp(1, start + expected, block_len))) expected++;
  const bool found = expected <= room;
  for (const Simd simd : simd_levels()) {
    const Kernels kernels = kernels_at(simd);
    uint32_t sum = kernels.rabinkarp(1, start, block_len);
    HOLDS(sum == naive_rabinkarp(1, start, block_len));
    bool hit = !found;
    HOLDS(kernels.rabinkarp_find(start, room, leave, filter, sum, hit) == (found ? expected : room));
    HOLDS(hit == found);
    HOLDS(sum == naive_rabinkarp(1, start + (found ? expected : room), block_len));
  }

  Rollsum rollsum;
  rollsum.update(start, block_len);
  HOLDS(rollsum.digest() == naive_rollsum(start, block_len));
  for (size_t at = 0; at < room;) {
    bool hit;
    const size_t moved = rollsum_find(start + at, room - at, block_len, filter, rollsum, hit);
    HOLDS(hit ? moved > 0 : at + moved == room);
    for (size_t i = 1; i <= moved; i++) {
      const uint32_t key = mix32(naive_rollsum(start + at + i, block_len));
      HOLDS(filter.may_have(key) == (hit && i == moved));
    }
    at += moved;
    HOLDS(rollsum.digest() == naive_rollsum(start + at, block_len));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  Case input(bytes, length);
  switch (input.byte() % 4) {
    case 0:
      check_strong(input);
      break;
    case 1:
      check_streams(input);
      break;
    case 2:
      check_sha256(input);
      break;
    default:
      check_search(input);
  }
  return 0;
}
