// Every kernel of every level that this processor has, against the portable one.
#include <cstring>

#include "../hash/dispatch.h"
#include "../hash/strong.h"
#include "check.h"

using namespace ibt;
using namespace ibt::test;

namespace {

constexpr size_t LANES = 17;

// Where kernels change their ways: registers, blocks, the 1024 bytes of a table of weights, and their neighbours.
std::vector<size_t> lengths() {
  std::vector<size_t> all;
  for (size_t length = 0; length <= 300; length++) all.push_back(length);
  for (size_t middle : {512, 1024, 2048, 3072, 4096, 32768}) {
    for (size_t length = middle - 3; length <= middle + 3; length++) all.push_back(length);
    all.push_back(middle + 64);
    all.push_back(middle + 128);
  }
  return all;
}

void check_strong(Random& random, const Kernels& kernels, size_t length, size_t count) {
  // Copies of their own, unaligned, so that the sanitizer sees a byte read too far.
  std::vector<Bytes> copies;
  const uint8_t* blocks[LANES];
  for (size_t i = 0; i < count; i++) copies.push_back(random_bytes(random, i + length));
  for (size_t i = 0; i < count; i++) blocks[i] = copies[i].data() + i;
  for (auto kernel : {&Kernels::blake2b_many, &Kernels::md4_many}) {
    uint8_t ours[LANES * STRONG_MAX] = {}, portable[LANES * STRONG_MAX] = {};
    (kernels.*kernel)(blocks, count, length, ours);
    (PORTABLE_KERNELS.*kernel)(blocks, count, length, portable);
    if (std::memcmp(ours, portable, sizeof ours) == 0) continue;
    fail(__FILE__, __LINE__, std::to_string(count) + " blocks of " + std::to_string(length) + " bytes differ");
  }
}

// A search from the same place, with the same filter, ends in the same place with the same sum.
void check_search(Random& random, const Kernels& kernels, size_t block_len, size_t room, size_t keys, size_t skew) {
  Bytes bytes = random_bytes(random, skew + block_len + room);
  const uint8_t* start = bytes.data() + skew;
  RabinKarpLeave leave(block_len);
  WeakFilter filter(keys);
  for (size_t i = 0; i < keys; i++) filter.add(uint32_t(random()));
  uint32_t sum = rabinkarp_portable(RABINKARP_SEED, start, block_len), ours = sum, portable = sum;
  size_t at = 0;
  for (;;) {
    bool hit = true, portable_hit = false;
    size_t moved = kernels.rabinkarp_find(start + at, room - at, leave, filter, ours, hit);
    CHECK_EQUAL(moved, rabinkarp_find_portable(start + at, room - at, leave, filter, portable, portable_hit));
    CHECK_EQUAL(ours, portable);
    CHECK_EQUAL(hit, portable_hit);
    at += moved;
    if (!hit) break;
  }
  CHECK_EQUAL(at, room);
}

}  // namespace

TEST("strong sums are the same at every level, length and number of blocks") {
  for (Simd simd : simd_levels()) {
    Random random(11);
    size_t count = 0;
    for (size_t length : lengths()) check_strong(random, kernels_at(simd), length, count++ % (LANES + 1));
    for (size_t length : {0, 1, 63, 64, 65, 127, 128, 129, 1000}) {
      for (count = 0; count <= LANES; count++) check_strong(random, kernels_at(simd), length, count);
    }
  }
}

TEST("RabinKarp sums are the same at every level, length and alignment, whatever went before") {
  for (Simd simd : simd_levels()) {
    Random random(12);
    size_t skew = 0;
    for (size_t length : lengths()) {
      skew = (skew + 7) % 64;
      Bytes bytes = random_bytes(random, skew + length);
      // The largest bytes too: no intermediate sum may overflow.
      for (bool large : {false, true}) {
        if (large) bytes.assign(bytes.size(), 0xff);
        uint32_t before = uint32_t(random());
        CHECK_EQUAL(kernels_at(simd).rabinkarp(before, bytes.data() + skew, length),
                    rabinkarp_portable(before, bytes.data() + skew, length));
      }
    }
  }
}

TEST("a search goes as far at every level, however much there is to search and to find") {
  for (Simd simd : simd_levels()) {
    Random random(13);
    for (size_t room = 0; room <= 300; room++) check_search(random, kernels_at(simd), 1 + room * 5, room, 1, room % 64);
    // From a filter that stops nowhere to one that stops everywhere.
    for (size_t keys : {0, 1, 30, 100, 300, 1000, 5000, 100000}) {
      for (size_t block_len : {1, 15, 64, 1000}) check_search(random, kernels_at(simd), block_len, 5000, keys, keys % 61);
    }
  }
}

TEST("a search of every level finds windows that are there") {
  for (Simd simd : simd_levels()) {
    Random random(14);
    Bytes bytes = random_bytes(random, 400);
    for (size_t target = 1; target <= 100; target++) {
      WeakFilter filter(1 << 20);
      filter.add(rabinkarp_portable(RABINKARP_SEED, bytes.data() + target, 300));
      uint32_t sum = rabinkarp_portable(RABINKARP_SEED, bytes.data(), 300);
      bool hit = false;
      CHECK_EQUAL(kernels_at(simd).rabinkarp_find(bytes.data(), 100, RabinKarpLeave(300), filter, sum, hit), target);
      CHECK(hit);
      CHECK_EQUAL(sum, rabinkarp_portable(RABINKARP_SEED, bytes.data() + target, 300));
    }
  }
}

TEST("SHA-256 is the same at every level") {
  for (Simd simd : simd_levels()) {
    Random random(15);
    for (size_t count = 0; count <= 9; count++) {
      Bytes bytes = random_bytes(random, count * 64);
      uint32_t ours[8] = {1, 2, 3, 4, 5, 6, 7, 8}, portable[8] = {1, 2, 3, 4, 5, 6, 7, 8};
      kernels_at(simd).sha256_blocks(ours, bytes.data(), count);
      PORTABLE_KERNELS.sha256_blocks(portable, bytes.data(), count);
      CHECK(std::memcmp(ours, portable, sizeof ours) == 0);

      Bytes other = random_bytes(random, count * 64);
      uint32_t our_other[8] = {9, 8, 7}, portable_other[8] = {9, 8, 7};
      uint32_t* const states[] = {ours, our_other};
      const uint8_t* const blocks[] = {bytes.data(), other.data()};
      kernels_at(simd).sha256_pair(states, blocks, count);
      PORTABLE_KERNELS.sha256_blocks(portable, bytes.data(), count);
      PORTABLE_KERNELS.sha256_blocks(portable_other, other.data(), count);
      CHECK(std::memcmp(ours, portable, sizeof ours) == 0);
      CHECK(std::memcmp(our_other, portable_other, sizeof our_other) == 0);
    }
  }
}
