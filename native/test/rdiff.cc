// signature, delta and patch over files, for tests that rdiff judges. Not part of the package.
//
//   rdiff signature BASIS SIGNATURE WEAK STRONG BLOCK_LEN STRONG_LEN CHUNK
//   rdiff delta SIGNATURE NEW DELTA CHUNK
//   rdiff patch BASIS DELTA NEW CHUNK
//
// CHUNK: bytes given to the engine in one call. `rdiff -` reads such lines from standard input.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "../engine.h"

using namespace ibt;

namespace {

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("Cannot read " + path);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  if (!file) throw std::runtime_error("Cannot write " + path);
}

template <class Take>
void in_chunks(const Bytes& bytes, size_t chunk, Take take) {
  for (size_t at = 0; at < bytes.size(); at += chunk) take(bytes.data() + at, std::min(chunk, bytes.size() - at));
}

void signature(const std::vector<std::string>& a) {
  Bytes basis = read_file(a[1]), out;
  SignatureWriter writer(resolve_format(a[3] == "rollsum" ? Weak::rollsum : Weak::rabinkarp,
                                        a[4] == "md4" ? Strong::md4 : Strong::blake2, std::stoll(a[5]),
                                        std::stoll(a[6]), int64_t(basis.size())));
  in_chunks(basis, std::stoul(a[7]), [&](const uint8_t* p, size_t n) { writer.update(p, n, out); });
  writer.finish(out);
  write_file(a[2], out);
}

void delta(const std::vector<std::string>& a) {
  size_t chunk = std::stoul(a[4]);
  SignatureLoader loader;
  in_chunks(read_file(a[1]), chunk, [&](const uint8_t* p, size_t n) { loader.update(p, n); });
  DeltaEncoder encoder(loader.finish());
  Bytes out;
  in_chunks(read_file(a[2]), chunk, [&](const uint8_t* p, size_t n) { encoder.update(p, n, out); });
  encoder.finish(out);
  write_file(a[3], out);
}

void patch(const std::vector<std::string>& a) {
  Bytes basis = read_file(a[1]), out;
  DeltaDecoder decoder;
  in_chunks(read_file(a[2]), std::stoul(a[4]), [&](const uint8_t* p, size_t n) {
    decoder.feed(p, n);
    for (auto next = decoder.next(); next != DeltaDecoder::Next::need_input; next = decoder.next()) {
      if (next == DeltaDecoder::Next::end) return;
      const uint8_t* from = decoder.literal();
      if (next == DeltaDecoder::Next::copy) {
        if (decoder.position() + decoder.length() > basis.size()) {
          throw EngineError(ErrorKind::basis_mismatch, "Copy beyond the basis");
        }
        from = basis.data() + decoder.position();
      }
      out.insert(out.end(), from, from + decoder.length());
    }
  });
  decoder.finish();
  write_file(a[3], out);
}

void run(const std::vector<std::string>& a) {
  if (a.size() == 8 && a[0] == "signature") return signature(a);
  if (a.size() == 5 && a[0] == "delta") return delta(a);
  if (a.size() == 5 && a[0] == "patch") return patch(a);
  throw std::runtime_error("Usage: see the head of native/test/rdiff.cc");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 2 && std::strcmp(argv[1], "-") == 0) {
      for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        run(std::vector<std::string>(std::istream_iterator<std::string>(words), {}));
      }
    } else {
      run(std::vector<std::string>(argv + 1, argv + argc));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
