#include "../signature/index.h"

#include "../hash/bytes.h"
#include "../hash/weak.h"
#include "check.h"

using namespace ibt;
using namespace ibt::test;

namespace {

SignatureFormat format_of(int64_t block_len, int64_t strong_len, int64_t size_bytes) {
  return resolve_format(Weak::rabinkarp, Strong::blake2, block_len, strong_len, size_bytes);
}

std::shared_ptr<const Signature> load_whole(const Bytes& signature) {
  Random random(0);
  return load(signature, signature.size() + 1, random);
}

Bytes header(const std::string& magic, uint32_t block_len, uint32_t strong_len) {
  Bytes bytes = from_hex(magic);
  append_be(bytes, block_len, 4);
  append_be(bytes, strong_len, 4);
  return bytes;
}

}  // namespace

TEST("default lengths are librsync's") {
  const int64_t G = int64_t(1) << 30;
  struct Case {
    int64_t size, block_len, strong_len;
    uint32_t block_want, strong_want;
  };
  for (const Case& c : {Case{0, 0, 0, 256, 32}, Case{65536, 0, 0, 256, 32}, Case{65537, 0, 0, 256, 32},
                        Case{147455, 0, 0, 256, 32}, Case{147456, 0, 0, 384, 32}, Case{G, 0, -1, 32768, 8},
                        Case{G, 0, 0, 32768, 32}, Case{SIZE_UNKNOWN, 0, 0, 2048, 32},
                        Case{SIZE_UNKNOWN, 0, -1, 2048, 12}, Case{0, 0, -1, 256, 5}, Case{G, 64, -1, 64, 9},
                        Case{1 << 20, 1000, 8, 1000, 8}}) {
    SignatureFormat format = format_of(c.block_len, c.strong_len, c.size);
    CHECK_EQUAL(format.block_len, c.block_want);
    CHECK_EQUAL(format.strong_len, c.strong_want);
  }
}

TEST("lengths that no signature can have are the caller's mistake") {
  CHECK_THROWS(ErrorKind::parameter, format_of(-1, 0, 0));
  CHECK_THROWS(ErrorKind::parameter, format_of((int64_t(1) << 31) + 1, 0, 0));
  CHECK_THROWS(ErrorKind::parameter, format_of(0, 33, 0));
  CHECK_THROWS(ErrorKind::parameter, format_of(0, -2, 0));
  CHECK_THROWS(ErrorKind::parameter, resolve_format(Weak::rollsum, Strong::md4, 0, 17, 0));
  SignatureFormat none;
  CHECK_THROWS(ErrorKind::parameter, SignatureWriter{none});
  none.block_len = 1;
  CHECK_THROWS(ErrorKind::parameter, SignatureWriter{none});
}

TEST("each pair of sums has its magic") {
  CHECK_EQUAL(resolve_format(Weak::rollsum, Strong::md4, 0, 0, 0).magic(), 0x72730136u);
  CHECK_EQUAL(resolve_format(Weak::rollsum, Strong::blake2, 0, 0, 0).magic(), 0x72730137u);
  CHECK_EQUAL(resolve_format(Weak::rabinkarp, Strong::md4, 0, 0, 0).magic(), 0x72730146u);
  CHECK_EQUAL(resolve_format(Weak::rabinkarp, Strong::blake2, 0, 0, 0).magic(), 0x72730147u);
}

TEST("a signature has a record for every block, whole or cut, however the bytes come") {
  Random random(11);
  for (size_t block_len : {1, 64, 1000}) {
    for (size_t size : {size_t(0), size_t(1), block_len - 1, block_len, block_len + 1, 20 * block_len + 3}) {
      Bytes basis = random_bytes(random, size);
      for (Weak weak : {Weak::rollsum, Weak::rabinkarp}) {
        SignatureFormat format = resolve_format(weak, Strong::blake2, int64_t(block_len), 8, int64_t(size));
        Bytes whole = sign(basis, format, size + 1, random);
        CHECK_EQUAL(whole.size(), 12 + (size + block_len - 1) / block_len * 12);
        CHECK_EQUAL(load_be32(whole.data()), format.magic());
        for (size_t chunk : {0, 0, 1, 63, 64, 65}) {
          CHECK(sign(basis, format, chunk, random) == whole);
          auto loaded = load(whole, chunk, random);
          CHECK_EQUAL(loaded->blocks(), (size + block_len - 1) / block_len);
          CHECK_EQUAL(loaded->format().magic(), format.magic());
        }
      }
    }
  }
}

TEST("what is no signature, or a cut one, is refused") {
  CHECK_THROWS(ErrorKind::bad_magic, load_whole(header("72730236", 2048, 32)));
  CHECK_THROWS(ErrorKind::bad_magic, load_whole(header("72730138", 2048, 16)));
  CHECK_THROWS(ErrorKind::signature_corrupt, load_whole(header("72730147", 0, 32)));
  CHECK_THROWS(ErrorKind::signature_corrupt, load_whole(header("72730147", 0x80000001, 32)));
  CHECK_THROWS(ErrorKind::signature_corrupt, load_whole(header("72730147", 2048, 0)));
  CHECK_THROWS(ErrorKind::signature_corrupt, load_whole(header("72730147", 2048, 33)));
  CHECK_THROWS(ErrorKind::signature_corrupt, load_whole(header("72730136", 2048, 17)));
  CHECK_THROWS(ErrorKind::signature_corrupt, load_whole(header("72730136", 2048, 0xffffffff)));
  Random random(12);
  Bytes whole = sign(random_bytes(random, 1000), format_of(400, 8, 1000), 1000, random);
  for (size_t size = 0; size <= whole.size(); size++) {
    Bytes cut(whole.begin(), whole.begin() + std::ptrdiff_t(size));
    if (size >= 12 && size % 12 == 0) {
      CHECK_EQUAL(load(cut, 5, random)->blocks(), size / 12 - 1);
    } else {
      CHECK_THROWS(ErrorKind::input_ended, load(cut, 5, random));
    }
  }
}

TEST("a block is found by its sums, the first of several that are the same") {
  Random random(13);
  Bytes bytes = header("72730147", 2048, 4);
  std::vector<std::pair<uint32_t, uint32_t>> sums;
  for (uint32_t i = 0; i < 5000; i++) sums.push_back({uint32_t(random()) >> (i % 3 * 12), uint32_t(random()) % 4});
  for (auto& [weak, strong] : sums) {
    append_be(bytes, weak, 4);
    append_be(bytes, strong, 4);
  }
  auto signature = load(bytes, 0, random);
  for (auto& sum : sums) {
    uint8_t digest[4];
    store_be(digest, sum.second, 4);
    size_t first = size_t(std::find(sums.begin(), sums.end(), sum) - sums.begin());
    CHECK(signature->state().filter.may_have(sum.first));
    CHECK(signature->state().any_of(sum.first) != NO_BLOCK);
    CHECK_EQUAL(signature->state().find(sum.first, digest), first);
    store_be(digest, 9, 4);
    CHECK_EQUAL(signature->state().find(sum.first, digest), NO_BLOCK);
  }
}

TEST("300,000 blocks with one weak sum are loaded and found") {
  Bytes bytes = header("72730147", 2048, 8);
  const uint32_t count = 300000;
  for (uint32_t i = 0; i < count; i++) {
    append_be(bytes, 42, 4);
    append_be(bytes, i * uint64_t(0x9e3779b97f4a7c15), 8);
  }
  auto signature = load_whole(bytes);
  for (uint32_t i = 0; i < count; i += 7) {
    uint8_t digest[8];
    store_be(digest, i * uint64_t(0x9e3779b97f4a7c15), 8);
    CHECK_EQUAL(signature->state().find(42, digest), i);
  }
}

TEST("a signature in memory takes at most 17 bytes a block besides its strong sums") {
  Random random(14);
  for (uint32_t count : {1000, 65535, 65536, 100000}) {
    Bytes bytes = header("72730147", 2048, 16);
    Bytes records = random_bytes(random, count * 20);
    bytes.insert(bytes.end(), records.begin(), records.end());
    CHECK(load_whole(bytes)->memory_bytes() <= 1024 + count * (16 + 17));
  }
}
