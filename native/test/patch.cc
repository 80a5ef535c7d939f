#include "check.h"

using namespace ibt;
using namespace ibt::test;

namespace {

const Bytes BASIS = bytes_of("0123456789");

std::string applied(const std::string& hex, size_t chunk) {
  Random random(31);
  Bytes out = apply(BASIS, from_hex(hex), chunk, random);
  return std::string(out.begin(), out.end());
}

}  // namespace

TEST("every form of every command is read, in pieces of any size") {
  for (size_t chunk : {1, 2, 3, 100}) {
    CHECK_EQUAL(applied("72730236 00", chunk), "");
    CHECK_EQUAL(applied("72730236 02 6162 00", chunk), "ab");
    CHECK_EQUAL(applied("72730236 41 02 6162 42 0001 63 43 00000001 64 44 0000000000000001 65 00", chunk), "abcde");
    for (int code = 0; code < 16; code++) {
      char hex[80];
      std::snprintf(hex, sizeof hex, "72730236 %02x %0*x %0*x 00", 0x45 + code, 2 << code / 4, 3, 2 << code % 4, 4);
      CHECK_EQUAL(applied(hex, chunk), "3456");
    }
    CHECK_EQUAL(applied("72730236 01 61 00 ff ff", chunk), "a");
  }
}

TEST("what is no delta, or a corrupt one, is refused") {
  for (size_t chunk : {1, 100}) {
    CHECK_THROWS(ErrorKind::bad_magic, applied("72730147 00", chunk));
    CHECK_THROWS(ErrorKind::bad_magic, applied("00000000", chunk));
    for (int opcode = 0x55; opcode <= 0xff; opcode++) {
      char hex[20];
      std::snprintf(hex, sizeof hex, "72730236 %02x", opcode);
      CHECK_THROWS(ErrorKind::delta_corrupt, applied(hex, chunk));
    }
    for (const char* zero : {"41 00", "42 0000", "43 00000000", "44 0000000000000000", "45 01 00", "48 01 0000000000000000"}) {
      CHECK_THROWS(ErrorKind::delta_corrupt, applied(std::string("72730236 ") + zero, chunk));
    }
    CHECK_THROWS(ErrorKind::delta_corrupt, applied("72730236 44 8000000000000000", chunk));
    CHECK_THROWS(ErrorKind::delta_corrupt, applied("72730236 44 ffffffffffffffff", chunk));
    CHECK_THROWS(ErrorKind::delta_corrupt, applied("72730236 54 ffffffffffffffff 0000000000000001", chunk));
    CHECK_THROWS(ErrorKind::delta_corrupt, applied("72730236 54 7fffffffffffffff 0000000000000001", chunk));
    CHECK_THROWS(ErrorKind::delta_corrupt, applied("72730236 54 0000000000000001 ffffffffffffffff", chunk));
    CHECK_THROWS(ErrorKind::basis_mismatch, applied("72730236 54 7ffffffffffffffe 0000000000000001 00", chunk));
    CHECK_THROWS(ErrorKind::basis_mismatch, applied("72730236 45 09 02 00", chunk));
  }
}

TEST("a delta cut anywhere is noticed") {
  const std::string whole = "72730236 45 02 03 02 61 62 41 01 63 00";
  Bytes bytes = from_hex(whole);
  for (size_t size = 0; size < bytes.size(); size++) {
    Random random(32);
    Bytes cut(bytes.begin(), bytes.begin() + std::ptrdiff_t(size));
    CHECK_THROWS(ErrorKind::input_ended, apply(BASIS, cut, 0, random));
  }
  CHECK_EQUAL(applied(whole, 1), "234abc");
}

TEST("after the end there is only the end") {
  Bytes bytes = from_hex("72730236 00 01");
  DeltaDecoder decoder;
  decoder.feed(bytes.data(), bytes.size());
  CHECK(decoder.next() == DeltaDecoder::Next::end);
  decoder.feed(bytes.data(), bytes.size());
  CHECK(decoder.next() == DeltaDecoder::Next::end);
  decoder.finish();
}

TEST("bytes that were changed at random are taken or refused, nothing else") {
  Random random(33);
  for (int run = 0; run < 3000; run++) {
    Bytes basis = random_bytes(random, 300), content = basis;
    content.insert(content.begin() + 100, 20, 7);
    SignatureFormat format = resolve_format(run % 2 ? Weak::rollsum : Weak::rabinkarp,
                                            run % 3 ? Strong::md4 : Strong::blake2, 32, 8, 300);
    Bytes signature = sign(basis, format, 1000, random);
    auto damage = [&](Bytes& bytes) {
      for (size_t i = 1 + pick(random, 3); i > 0; i--) bytes[pick(random, bytes.size())] = uint8_t(random());
    };
    if (run % 5 == 0) damage(signature);
    try {
      Bytes delta = encode(load(signature, 0, random), content, 0, random);
      if (run % 5 != 0) damage(delta);
      apply(basis, delta, 0, random);
    } catch (const EngineError&) {
    }
  }
}
