// One thread's rates in memory. Usage: rates [MiB]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

#include "../engine.h"
#include "../hash/simd.h"

using namespace ibt;

namespace {

constexpr size_t CHUNK = 1 << 20;

Bytes random_bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size / 8 * 8);
  for (size_t i = 0; i < bytes.size(); i += 8) {
    uint64_t value = random();
    std::copy_n(reinterpret_cast<uint8_t*>(&value), 8, bytes.begin() + std::ptrdiff_t(i));
  }
  return bytes;
}

template <class Take>
void in_chunks(const Bytes& bytes, Take take) {
  for (size_t at = 0; at < bytes.size(); at += CHUNK) take(bytes.data() + at, std::min(CHUNK, bytes.size() - at));
}

Bytes sign(const Bytes& basis, const SignatureFormat& format) {
  Bytes out;
  SignatureWriter writer(format);
  in_chunks(basis, [&](const uint8_t* p, size_t n) { writer.update(p, n, out); });
  writer.finish(out);
  return out;
}

size_t delta(const std::shared_ptr<const Signature>& signature, const Bytes& content) {
  size_t size = 0;
  DeltaEncoder encoder(signature);
  Bytes out;
  auto drop = [&] {
    size += out.size();
    out.clear();
  };
  in_chunks(content, [&](const uint8_t* p, size_t n) {
    encoder.update(p, n, out);
    drop();
  });
  encoder.finish(out);
  drop();
  return size;
}

// The best of three: the machine may have other work.
void report(const char* name, const Bytes& content, const std::function<size_t()>& work) {
  double best = 1e9;
  size_t result = 0;
  for (int i = 0; i < 3; i++) {
    auto begin = std::chrono::steady_clock::now();
    result = work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::printf("%-34s %7.0f MB/s  %zu bytes\n", name, double(content.size()) / best / 1e6, result);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t size = (argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 256) << 20;
  const Bytes a = random_bytes(size, 1), c = random_bytes(size, 2);
  std::printf("%s\n", simd_name(simd_chosen()));
  report("SHA-256", a, [&] {
    Sha256 hash;
    in_chunks(a, [&](const uint8_t* p, size_t n) { hash.update(p, n); });
    return hash.finish().size();
  });
  struct Case {
    const char* name;
    Weak weak;
    Strong strong;
    int64_t block_len;
  };
  for (const Case& k : {Case{"rabinkarp blake2 32768", Weak::rabinkarp, Strong::blake2, 32768},
                        Case{"rabinkarp blake2 2048", Weak::rabinkarp, Strong::blake2, 2048},
                        Case{"rollsum md4 2048", Weak::rollsum, Strong::md4, 2048}}) {
    std::printf("%s\n", k.name);
    const SignatureFormat format = resolve_format(k.weak, k.strong, k.block_len, 0, int64_t(size));
    Bytes signature;
    report("  signature", a, [&] { return (signature = sign(a, format)).size(); });
    std::shared_ptr<const Signature> loaded;
    report("  load (rate of the basis)", a, [&] {
      SignatureLoader loader;
      loader.update(signature.data(), signature.size());
      return (loaded = loader.finish())->memory_bytes();
    });
    report("  delta, identical", a, [&] { return delta(loaded, a); });
    report("  delta, all new", c, [&] { return delta(loaded, c); });
  }
}
