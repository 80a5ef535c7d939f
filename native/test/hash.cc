#include <algorithm>
#include <cstring>

#include "../delta/window.h"
#include "../hash/strong.h"
#include "check.h"

using namespace ibt;
using namespace ibt::test;

namespace {

std::string strong_hex(Strong strong, const std::string& text) {
  Bytes bytes = bytes_of(text);
  const uint8_t* block = bytes.data();
  uint8_t digest[STRONG_MAX];
  strong_many(strong, &block, 1, bytes.size(), digest);
  return to_hex(digest, strong_digest(strong));
}

std::string sha256_hex(const std::string& text) {
  Sha256 hash;
  hash.update(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  auto digest = hash.finish();
  return to_hex(digest.data(), digest.size());
}

}  // namespace

TEST("BLAKE2b has the known digests of 32 bytes") {
  CHECK_EQUAL(strong_hex(Strong::blake2, ""), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  CHECK_EQUAL(strong_hex(Strong::blake2, "abc"), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST("MD4 has the digests of RFC 1320") {
  CHECK_EQUAL(strong_hex(Strong::md4, ""), "31d6cfe0d16ae931b73c59d7e0c089c0");
  CHECK_EQUAL(strong_hex(Strong::md4, "a"), "bde52cb31de33e46245e05fbdbd6fb24");
  CHECK_EQUAL(strong_hex(Strong::md4, "abc"), "a448017aaf21d8525fc10ae87aa6729d");
  CHECK_EQUAL(strong_hex(Strong::md4, "message digest"), "d9130a8164549fe818874806e1c7014b");
  CHECK_EQUAL(strong_hex(Strong::md4, "abcdefghijklmnopqrstuvwxyz"), "d79e1c308aa5bbcdeea8ed63df412da9");
  CHECK_EQUAL(strong_hex(Strong::md4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
              "043f8582f241db351ce627e153e7f0e4");
  CHECK_EQUAL(strong_hex(Strong::md4, "12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
              "e33b4ddc9c38f2199c3e7b164fcc0536");
}

TEST("SHA-256 has the digests of FIPS 180-4") {
  CHECK_EQUAL(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_EQUAL(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQUAL(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK_EQUAL(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST("SHA-256 of several contents is that of each") {
  Random random(7);
  const size_t sizes[] = {0, 1, 55, 56, 63, 64, 119, 120, 128, 1000, 5000, 0, 64, 3};
  std::vector<Bytes> all;
  std::vector<Content> contents;
  for (size_t size : sizes) all.push_back(random_bytes(random, size));
  for (const Bytes& bytes : all) contents.push_back({bytes.data(), bytes.size()});
  for (size_t count = 0; count <= contents.size(); count++) {
    for (int turn = 0; turn < 2; turn++) {
      Bytes digests(32 * count);
      sha256_many(contents.data(), count, digests.data());
      for (size_t i = 0; i < count; i++) {
        Sha256 one;
        one.update(contents[i].bytes, contents[i].length);
        const auto digest = one.finish();
        CHECK(std::memcmp(digest.data(), digests.data() + 32 * i, digest.size()) == 0);
      }
      std::reverse(contents.begin(), contents.end());
    }
  }
}

TEST("sums of bytes that come in pieces are those of the whole") {
  Random random(2);
  for (size_t size : {0, 1, 55, 56, 63, 64, 65, 127, 128, 129, 255, 256, 257, 3000}) {
    Bytes bytes = random_bytes(random, size);
    for (Strong strong : {Strong::md4, Strong::blake2}) {
      StrongStream whole(strong), pieces(strong);
      uint8_t a[STRONG_MAX] = {}, b[STRONG_MAX] = {};
      whole.update(bytes.data(), size);
      whole.finish(a);
      in_pieces(bytes, 0, random, [&](const uint8_t* p, size_t n) { pieces.update(p, n); });
      pieces.finish(b);
      CHECK(std::memcmp(a, b, sizeof a) == 0);
    }
    Sha256 whole, pieces;
    whole.update(bytes.data(), size);
    in_pieces(bytes, 0, random, [&](const uint8_t* p, size_t n) { pieces.update(p, n); });
    CHECK(whole.finish() == pieces.finish());
  }
}

TEST("a window that moves and shrinks has the sum of the bytes in it") {
  Random random(3);
  WeakFilter knows_all(1);
  for (uint32_t i = 0; i < 32; i++) {
    for (uint32_t bit = 0; bit < 32; bit++) knows_all.add(i << 27 | bit << 10 | bit << 5 | bit);
  }
  for (Weak weak : {Weak::rollsum, Weak::rabinkarp}) {
    for (size_t block_len : {1, 2, 7, 64, 1000}) {
      Bytes bytes = random_bytes(random, block_len + 50);
      Window moving(weak, block_len), fresh(weak, block_len);
      moving.lay(bytes.data(), block_len);
      for (size_t at = 0; at < 50; at++) {
        bool hit = false;
        CHECK_EQUAL(moving.find(bytes.data() + at, 50 - at, knows_all, hit), size_t(1));
        CHECK(hit);
        fresh.lay(bytes.data() + at + 1, block_len);
        CHECK_EQUAL(moving.key(), fresh.key());
      }
      for (size_t at = 0; at + 1 < block_len; at++) {
        moving.shrink(bytes[50 + at]);
        fresh.lay(bytes.data() + 50 + at + 1, block_len - at - 1);
        CHECK_EQUAL(moving.key(), fresh.key());
      }
    }
  }
}

TEST("a search stops at the first window that the filter knows, wherever it is") {
  Random random(4);
  const size_t block_len = 64;
  Bytes bytes = random_bytes(random, block_len + 40);
  for (Weak weak : {Weak::rollsum, Weak::rabinkarp}) {
    for (size_t target = 1; target <= 40; target++) {
      for (size_t room = target - 1; room <= target + 5 && room <= 40; room++) {
        Window there(weak, block_len), moving(weak, block_len);
        there.lay(bytes.data() + target, block_len);
        WeakFilter filter(1 << 20);
        filter.add(there.key());
        moving.lay(bytes.data(), block_len);
        bool hit = false;
        CHECK_EQUAL(moving.find(bytes.data(), room, filter, hit), std::min(room, target));
        CHECK_EQUAL(hit, room >= target);
        if (hit) CHECK_EQUAL(moving.key(), there.key());
      }
    }
  }
}
