#include <algorithm>

#include "../delta/segments.h"
#include "../hash/bytes.h"
#include "check.h"

using namespace ibt;
using namespace ibt::test;

namespace {

struct Pair {
  const char* name;
  Bytes basis, content;
};

Bytes join(const Bytes& a, const Bytes& b) {
  Bytes both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

Bytes slice(const Bytes& bytes, size_t from, size_t to) {
  return Bytes(bytes.begin() + std::ptrdiff_t(from), bytes.begin() + std::ptrdiff_t(to));
}

std::vector<Pair> pairs(Random& random, size_t n) {
  Bytes a = random_bytes(random, 9 * n + n / 3), b = random_bytes(random, 3 * n), periodic;
  for (size_t i = 0; i < 8 * n + 5; i++) periodic.push_back(uint8_t(i % 13));
  Bytes edited = a, reversed;
  for (int i = 0; i < 4; i++) edited[pick(random, edited.size())] ^= 1;
  for (size_t i = 9; i-- > 0;) reversed = join(reversed, slice(a, i * n, (i + 1) * n));
  Bytes zeros(8 * n + 3), sparse = zeros;
  sparse[3 * n] = 1;
  sparse[5 * n + 1] = 7;
  return {{"both empty", {}, {}},
          {"from nothing", {}, a},
          {"to nothing", a, {}},
          {"identical", a, a},
          {"identical, whole blocks", slice(a, 0, 4 * n), slice(a, 0, 4 * n)},
          {"one byte", slice(a, 0, 1), slice(a, 0, 1)},
          {"one less than a block", slice(a, 0, n - 1), slice(a, 0, n - 1)},
          {"one more than a block", slice(a, 0, n + 1), slice(a, 0, n + 1)},
          {"shifted", a, slice(a, 1, a.size())},
          {"prepended", a, join(b, a)},
          {"appended", a, join(a, b)},
          {"cut", a, slice(a, 0, 5 * n + n / 2)},
          {"edited", a, edited},
          {"inserted", a, join(join(slice(a, 0, 2 * n + 1), b), slice(a, 2 * n + 1, a.size()))},
          {"reversed blocks", a, reversed},
          {"all new", a, b},
          {"zeros", zeros, zeros},
          {"sparse", zeros, sparse},
          {"periodic", periodic, slice(periodic, 5, periodic.size())},
          {"a last block twice", a, join(a, slice(a, 9 * n, a.size()))}};
}

Bytes thue_morse_mix(Random& random, size_t size) {
  Bytes bytes;
  while (bytes.size() < size) {
    unsigned flip = unsigned(random() & 1);
    for (unsigned i = 0; i < 128; i++) bytes.push_back(uint8_t((__builtin_popcount(i) ^ flip) & 1));
  }
  return bytes;
}

}  // namespace

TEST("a delta makes the new content again and is the same however the bytes come") {
  Random random(21);
  for (size_t block_len : {2, 64, 1000}) {
    for (const Pair& pair : pairs(random, block_len)) {
      for (Weak weak : {Weak::rollsum, Weak::rabinkarp}) {
        for (Strong strong : {Strong::md4, Strong::blake2}) {
          SignatureFormat format = resolve_format(weak, strong, int64_t(block_len), 8, int64_t(pair.basis.size()));
          auto signature = load(sign(pair.basis, format, 100000, random), 100000, random);
          Bytes delta = encode(signature, pair.content, 100000, random);
          if (apply(pair.basis, delta, 0, random) != pair.content) fail(__FILE__, __LINE__, pair.name);
          for (size_t chunk : {size_t(0), size_t(0), size_t(1), block_len - 1, block_len, block_len + 1}) {
            if (encode(signature, pair.content, chunk, random) != delta) fail(__FILE__, __LINE__, pair.name);
          }
        }
      }
    }
  }
}

TEST("copies that continue each other are one command") {
  Random random(22);
  for (const Bytes& basis : {random_bytes(random, 1000), Bytes(1000, 0), Bytes(1024, 7)}) {
    for (Weak weak : {Weak::rollsum, Weak::rabinkarp}) {
      SignatureFormat format = resolve_format(weak, Strong::blake2, 64, 0, 1000);
      DeltaEncoder encoder(load(sign(basis, format, 1000, random), 1000, random));
      Bytes delta;
      encoder.update(basis.data(), basis.size(), delta);
      encoder.finish(delta);
      Bytes want = from_hex("72730236 46 00");
      append_be(want, basis.size(), 2);
      want.push_back(0);
      CHECK(delta == want);
      CHECK_EQUAL(encoder.copies(), 1u);
      CHECK_EQUAL(encoder.copied_bytes(), basis.size());
    }
  }
}

TEST("literals have the shortest header at every length") {
  Random random(23);
  auto empty = load(from_hex("72730147 00000800 00000020"), 100, random);
  struct Case {
    size_t size;
    const char* head;
  };
  for (const Case& c : {Case{1, "01"}, Case{64, "40"}, Case{65, "4141"}, Case{255, "41ff"}, Case{256, "420100"},
                        Case{65535, "42ffff"}, Case{65536, "42ffff"}, Case{200000, "42ffff"}}) {
    Bytes content = random_bytes(random, c.size);
    Bytes delta = encode(empty, content, 0, random), head = from_hex(c.head);
    CHECK(std::equal(head.begin(), head.end(), delta.begin() + 4));
    CHECK_EQUAL(delta.back(), 0);
    CHECK(delta.size() <= c.size + 4 + 1 + 3 * (1 + c.size / 65535));
    CHECK(apply({}, delta, 0, random) == content);
  }
  CHECK(encode(empty, {}, 1, random) == from_hex("72730236 00"));
}

TEST("copies of every width of position and length are written and read") {
  Random random(24);
  Bytes a = random_bytes(random, 70000), b = join(slice(a, 100, 164), slice(a, 200, 464));
  Bytes content = join(join(slice(a, 66000, 70000), b), a);
  SignatureFormat format = resolve_format(Weak::rabinkarp, Strong::blake2, 4, 16, 70000);
  auto signature = load(sign(a, format, 70000, random), 70000, random);
  Bytes delta = encode(signature, content, 0, random);
  CHECK(delta.size() < 40);
  CHECK(apply(a, delta, 1, random) == content);
}

TEST("weak sums that collide on purpose cost literals at most") {
  Random random(25);
  Bytes basis = thue_morse_mix(random, 300000), content = thue_morse_mix(random, 300000);
  content.insert(content.begin(), 77, 5);
  SignatureFormat format = resolve_format(Weak::rabinkarp, Strong::blake2, 2048, 16, 300000);
  auto signature = load(sign(basis, format, 300000, random), 300000, random);
  Bytes delta = encode(signature, content, 300000, random);
  CHECK(encode(signature, content, 0, random) == delta);
  CHECK(apply(basis, delta, 0, random) == content);
}

TEST("a signature with the largest block takes no memory for it") {
  Random random(26);
  Bytes bytes = from_hex("72730147 80000000 00000001 00000000 00");
  Bytes content = random_bytes(random, 5000);
  Bytes delta = encode(load(bytes, 100, random), content, 0, random);
  CHECK(delta.size() > 5000 && delta.size() < 5020);
}

// 100 GiB in blocks of 1 MiB: a place hits a weak sum by chance so often that 24 bytes are hashed for each byte. The
// basis is not there, but for its sums and the blocks that the content has.
TEST("matches are found among the chance hits of a basis of 100 GiB") {
  Random random(27);
  const size_t block_len = 1 << 20, blocks = 100 << 10;
  SignatureFormat format = resolve_format(Weak::rabinkarp, Strong::blake2, int64_t(block_len), 8, 0);
  Bytes bytes = from_hex("72730147 00100000 00000008"), content;
  for (size_t i = 0; i < blocks; i++) {
    append_be(bytes, random(), 4);
    append_be(bytes, random(), 8);
  }
  for (size_t i : {size_t(70001), size_t(7), size_t(99999)}) {
    Bytes block = random_bytes(random, block_len), fresh = random_bytes(random, 4 * block_len + 5);
    Bytes sums = sign(block, format, block_len, random);
    std::copy(sums.begin() + 12, sums.end(), bytes.begin() + std::ptrdiff_t(12 + 12 * i));
    content = join(content, join(fresh, block));
  }
  DeltaEncoder encoder(load(bytes, bytes.size(), random));
  Bytes delta;
  encoder.update(content.data(), content.size(), delta);
  encoder.finish(delta);
  CHECK_EQUAL(encoder.copies(), 3u);
  CHECK_EQUAL(encoder.copied_bytes(), 3 * block_len);
}

// Small segments, so that there are many seams.
TEST("edits of segments are joined to the new content, and copies over seams to one") {
  Random random(28);
  for (size_t block_len : {2, 64, 1000}) {
    for (const Pair& pair : pairs(random, block_len)) {
      SignatureFormat format = resolve_format(Weak::rabinkarp, Strong::blake2, int64_t(block_len), 0, 0);
      auto signature = load(sign(pair.basis, format, 100000, random), 100000, random);
      for (size_t blocks : {1, 2, 5}) {
        const size_t length = blocks * block_len;
        Bytes made;
        SegmentJoiner joiner;
        Edits joined;
        for (size_t at = 0;; at += length) {
          const bool is_last = pair.content.size() - at < length + block_len;
          // A copy of its own, so that the sanitizer sees a byte read too far.
          const Bytes bytes = slice(pair.content, at, is_last ? pair.content.size() : at + length + block_len);
          Edits edits;
          const Segment segment{bytes.data(), is_last ? bytes.size() : length, at, is_last};
          search_segment(*signature, segment, [] {}, edits);
          joiner.join(edits, segment, [&](const Edit& edit, uint64_t from) {
            const uint8_t* source = edit.is_literal() ? bytes.data() + from : pair.basis.data() + edit.position;
            if (!edit.is_literal()) CHECK(edit.position + edit.length <= pair.basis.size());
            made.insert(made.end(), source, source + edit.length);
            if (edit.is_literal()) joined.literal(edit.length);
            else joined.copy(edit.position, edit.length);
          });
          if (is_last) break;
        }
        if (made != pair.content) fail(__FILE__, __LINE__, pair.name);
        if (std::string(pair.name).rfind("identical", 0) == 0) CHECK_EQUAL(joined.end() - joined.begin(), 1);
      }
    }
  }
}
