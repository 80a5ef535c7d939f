// What the targets share: how a test case is taken apart, and what stops the fuzzer.
#pragma once
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "../engine.h"

// libFuzzer keeps the input of a run that aborts.
#define HOLDS(condition)                                                                  \
  do {                                                                                    \
    if (condition) break;                                                                 \
    std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
    std::abort();                                                                         \
  } while (false)

namespace ibt::fuzz {

// Bytes that choose. Behind its end come zeros.
class Case {
 public:
  Case(const uint8_t* bytes, size_t length) : at_(bytes), end_(bytes + length) {}

  size_t left() const { return size_t(end_ - at_); }
  uint8_t byte() { return at_ == end_ ? 0 : *at_++; }
  uint16_t word() {
    const unsigned high = byte();
    return uint16_t(high << 8 | byte());
  }
  // As many as there are. A copy of their own, so that the sanitizer sees a byte read too far.
  Bytes take(size_t length) {
    const uint8_t* from = at_;
    at_ += std::min(length, left());
    return Bytes(from, at_);
  }
  Bytes rest() { return take(left()); }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

// Gives the bytes in pieces of 1 to 255 bytes that follow from `seed`, each a copy of its own; 0: all at once.
template <class Take>
void in_pieces(const Bytes& bytes, uint8_t seed, Take take) {
  uint32_t state = seed;
  for (size_t at = 0; at < bytes.size();) {
    state = state * 1664525 + 1013904223;
    const size_t most = seed == 0 ? bytes.size() : seed < 8 ? seed : 1 + (state >> 24) % seed;
    const Bytes piece(bytes.begin() + std::ptrdiff_t(at),
                      bytes.begin() + std::ptrdiff_t(std::min(bytes.size(), at + most)));
    take(piece.data(), piece.size());
    at += piece.size();
  }
}

// The kind of the error that it throws, if any.
template <class Run>
std::optional<ErrorKind> error_of(Run run) {
  try {
    run();
  } catch (const EngineError& error) {
    return error.kind;
  }
  return std::nullopt;
}

}  // namespace ibt::fuzz
