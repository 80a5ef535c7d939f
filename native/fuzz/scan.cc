// A delta of any content, given in any pieces, copies as much as a naive matcher finds, makes the content again, and
// does not depend on the pieces.
#include "naive.h"

using namespace ibt;
using namespace ibt::fuzz;

namespace {

// Changes three bytes in the middle so that no rollsum over all of them changes: neither their sum nor that of their sums.
void collide(uint8_t* bytes, size_t length) {
  if (length < 3) return;
  uint8_t* const middle = bytes + length / 2;
  if (middle[-1] == 255 || middle[0] < 2 || middle[1] == 255) return;
  middle[-1]++;
  middle[0] = uint8_t(middle[0] - 2);
  middle[1]++;
}

// New content as edits of the basis: what random bytes would never have in common with it.
Bytes edited(const Bytes& basis, Case& input) {
  Bytes content;
  while (input.left() > 0 && content.size() < 8192) {
    const uint8_t choice = input.byte();
    if (choice & 1 || basis.empty()) {
      const Bytes literal = input.take(choice >> 3);
      content.insert(content.end(), literal.begin(), literal.end());
    } else {
      const size_t from = input.word() % basis.size();
      const size_t length = std::min(basis.size() - from, size_t(choice & 2 ? choice : choice << 3));
      content.insert(content.end(), basis.begin() + std::ptrdiff_t(from), basis.begin() + std::ptrdiff_t(from + length));
      if (choice & 4) collide(content.data() + content.size() - length, length);
    }
  }
  return content;
}

// How many bytes a greedy matcher copies that compares the blocks themselves.
size_t naive_copied(const Bytes& basis, const Bytes& content, size_t block_len) {
  size_t copied = 0;
  for (size_t at = 0; at < content.size();) {
    const size_t window = std::min(block_len, content.size() - at);
    bool found = false;
    for (size_t block = 0; block < basis.size() && !found; block += block_len) {
      const size_t size = std::min(block_len, basis.size() - block);
      found = size == window && std::equal(content.begin() + std::ptrdiff_t(at),
                                           content.begin() + std::ptrdiff_t(at + size), basis.begin() + std::ptrdiff_t(block));
    }
    copied += found ? window : 0;
    at += found ? window : 1;
  }
  return copied;
}

Bytes sign(const Bytes& basis, const SignatureFormat& format, uint8_t cut) {
  SignatureWriter writer(format);
  Bytes signature;
  in_pieces(basis, cut, [&](const uint8_t* bytes, size_t length) { writer.update(bytes, length, signature); });
  writer.finish(signature);
  return signature;
}

Bytes encode(const Bytes& signature, const Bytes& content, uint8_t cut, uint64_t& copied) {
  SignatureLoader loader;
  loader.update(signature.data(), signature.size());
  DeltaEncoder encoder(loader.finish());
  Bytes delta;
  in_pieces(content, cut, [&](const uint8_t* bytes, size_t length) { encoder.update(bytes, length, delta); });
  encoder.finish(delta);
  copied = encoder.copied_bytes();
  return delta;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  Case input(bytes, length);
  const uint8_t choice = input.byte(), cut = input.byte();
  SignatureFormat format;
  format.weak = choice & 1 ? Weak::rollsum : Weak::rabinkarp;
  format.strong = choice & 2 ? Strong::md4 : Strong::blake2;
  format.strong_len = choice & 4 ? 8 : 16;
  format.block_len = 1 + input.byte() % 200;
  // Repeated, for more blocks than the case has bytes.
  const Bytes once = input.take(input.word() % 1024);
  Bytes basis;
  for (unsigned times = 1 + (choice >> 4); times > 0 && basis.size() < 4096; times--) {
    basis.insert(basis.end(), once.begin(), once.end());
    if (choice & 8) basis.push_back(uint8_t(times));
  }
  const Bytes content = edited(basis, input);

  const Bytes signature = sign(basis, format, 0);
  HOLDS(sign(basis, format, cut) == signature);
  uint64_t copied, copied_in_pieces;
  const Bytes delta = encode(signature, content, 0, copied);
  HOLDS(encode(signature, content, cut, copied_in_pieces) == delta);
  HOLDS(copied == copied_in_pieces);
  HOLDS(copied == naive_copied(basis, content, format.block_len));
  HOLDS(naive_patch(basis, naive_commands(delta)) == content);
  return 0;
}
