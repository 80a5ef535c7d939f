#include <cstdio>

#include "../hash/simd.h"
#include "check.h"

namespace ibt::test {

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

Bytes random_bytes(Random& random, size_t size) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = uint8_t(random());
  return bytes;
}

Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  std::istringstream words(hex);
  for (std::string word; words >> word;) {
    for (size_t i = 0; i < word.size(); i += 2) bytes.push_back(uint8_t(std::stoul(word.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string to_hex(const uint8_t* bytes, size_t length) {
  std::string hex;
  for (size_t i = 0; i < length; i++) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", bytes[i]);
    hex += digits;
  }
  return hex;
}

Bytes sign(const Bytes& basis, const SignatureFormat& format, size_t chunk, Random& random) {
  Bytes out;
  SignatureWriter writer(format);
  in_pieces(basis, chunk, random, [&](const uint8_t* p, size_t n) { writer.update(p, n, out); });
  writer.finish(out);
  return out;
}

std::shared_ptr<const Signature> load(const Bytes& signature, size_t chunk, Random& random) {
  SignatureLoader loader;
  in_pieces(signature, chunk, random, [&](const uint8_t* p, size_t n) { loader.update(p, n); });
  return loader.finish();
}

Bytes encode(const std::shared_ptr<const Signature>& signature, const Bytes& content, size_t chunk, Random& random) {
  Bytes out;
  DeltaEncoder encoder(signature);
  in_pieces(content, chunk, random, [&](const uint8_t* p, size_t n) { encoder.update(p, n, out); });
  encoder.finish(out);
  return out;
}

Bytes apply(const Bytes& basis, const Bytes& delta, size_t chunk, Random& random) {
  Bytes out;
  DeltaDecoder decoder;
  in_pieces(delta, chunk, random, [&](const uint8_t* p, size_t n) {
    decoder.feed(p, n);
    for (auto next = decoder.next(); next != DeltaDecoder::Next::need_input; next = decoder.next()) {
      if (next == DeltaDecoder::Next::end) return;
      const uint8_t* from = decoder.literal();
      if (next == DeltaDecoder::Next::copy) {
        uint64_t size = basis.size();
        if (decoder.position() > size || decoder.length() > size - decoder.position()) {
          throw EngineError(ErrorKind::basis_mismatch, "Copy beyond the basis");
        }
        from = basis.data() + decoder.position();
      }
      out.insert(out.end(), from, from + decoder.length());
    }
  });
  decoder.finish();
  return out;
}

}  // namespace ibt::test

int main() {
  int failed = 0;
  std::printf("level %s\n", ibt::simd_name(ibt::simd_chosen()));
  for (const ibt::test::Test& test : ibt::test::tests()) {
    try {
      test.body();
      std::printf("ok %s\n", test.title.c_str());
    } catch (const std::exception& error) {
      failed++;
      std::printf("not ok %s\n  %s\n", test.title.c_str(), error.what());
    }
  }
  std::printf("%zu tests, %d failed\n", ibt::test::tests().size(), failed);
  return failed > 0;
}
