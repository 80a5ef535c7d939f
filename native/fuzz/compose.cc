// The delta composed of any deltas makes what they make one after the other; or says which of them cannot be.
#include "../compose/backward_composer.h"
#include "naive.h"

using namespace ibt;
using namespace ibt::fuzz;

namespace {

constexpr size_t MADE_MAX = 1 << 18;
// A check comes every few thousand commands: no case needs to go on for long.
constexpr unsigned CHECKS_MAX = 100;

struct Stopped {};

class BytesInput final : public DeltaInput {
 public:
  explicit BytesInput(const Bytes& bytes) : bytes_(bytes) {}
  size_t read(uint64_t position, uint8_t* bytes, size_t length) const override {
    const size_t at = size_t(std::min<uint64_t>(position, bytes_.size()));
    const size_t count = std::min(length, bytes_.size() - at);
    std::copy_n(bytes_.begin() + std::ptrdiff_t(at), count, bytes);
    return count;
  }

 private:
  const Bytes& bytes_;
};

void append(Bytes& out, uint64_t value, unsigned width) {
  for (unsigned i = width; i-- > 0;) out.push_back(uint8_t(value >> (8 * i)));
}

// Commands that mostly fit a content of `size` bytes, which becomes the size of what they make.
Bytes fitting(Case& input, size_t& size) {
  Bytes delta = {0x72, 0x73, 0x02, 0x36};
  size_t made = 0;
  for (unsigned count = input.byte() % 32; count > 0 && input.left() > 0 && made < MADE_MAX / 4; count--) {
    const uint8_t choice = input.byte();
    if (size == 0 || choice & 1) {
      const Bytes literal = input.take(1 + (choice >> 2) % 40);
      if (literal.empty()) break;
      if (choice & 2) append(delta, 0x44, 1), append(delta, literal.size(), 8);
      else append(delta, literal.size(), 1);
      delta.insert(delta.end(), literal.begin(), literal.end());
      made += literal.size();
    } else {
      const size_t position = input.word() % size;
      // One of 256 goes beyond the end.
      const size_t length = std::min<size_t>(1 + input.word(), size - position + (choice == 0xfe));
      append(delta, 0x54, 1), append(delta, position, 8), append(delta, length, 8);
      made += length;
    }
  }
  delta.push_back(0);
  size = made;
  return delta;
}

std::vector<Bytes> deltas_of(Case& input, size_t size) {
  std::vector<Bytes> deltas;
  for (unsigned count = 1 + input.byte() % 8; count > 0; count--) {
    // Any bytes behind the magic, or commands that fit.
    if (input.byte() % 8 != 0) {
      deltas.push_back(fitting(input, size));
      continue;
    }
    Bytes delta = {0x72, 0x73, 0x02, 0x36};
    const Bytes any = input.take(input.byte());
    delta.insert(delta.end(), any.begin(), any.end());
    deltas.push_back(std::move(delta));
  }
  return deltas;
}

Bytes compose(const std::vector<Bytes>& deltas) {
  unsigned checks = 0;
  DeltaComposer composer([&] {
    if (++checks > CHECKS_MAX) throw Stopped{};
  });
  for (const Bytes& delta : deltas) composer.add(BytesInput(delta));
  Bytes made;
  for (LiteralRange literal; composer.next(made, literal);) {
    if (literal.length == 0) continue;
    HOLDS(literal.delta < deltas.size());
    const Bytes& delta = deltas[literal.delta];
    HOLDS(literal.position <= delta.size() && literal.length <= delta.size() - literal.position);
    const auto from = delta.begin() + std::ptrdiff_t(literal.position);
    made.insert(made.end(), from, from + std::ptrdiff_t(literal.length));
  }
  return made;
}

// The same from the newest delta to the oldest, each in pieces; `waiting` gets what is wanted of the literals.
Bytes compose_backward(const std::vector<Bytes>& deltas, size_t piece_bytes, Bytes& waiting) {
  unsigned checks = 0;
  BackwardComposer composer([&] {
    if (++checks > CHECKS_MAX) throw Stopped{};
  });
  std::vector<ByteSpan> wanted;
  for (auto delta = deltas.rbegin(); delta != deltas.rend(); ++delta) {
    for (size_t at = 0; at < delta->size(); at += piece_bytes) {
      const size_t size = std::min(piece_bytes, delta->size() - at);
      wanted.clear();
      composer.feed(delta->data() + at, size, wanted);
      for (const ByteSpan& span : wanted) {
        HOLDS(span.from <= span.end && span.end <= size);
        const auto begin = delta->begin() + std::ptrdiff_t(at);
        waiting.insert(waiting.end(), begin + std::ptrdiff_t(span.from), begin + std::ptrdiff_t(span.end));
      }
    }
    composer.end();
  }
  Bytes made;
  for (LiteralRange literal; composer.next(made, literal);) {
    if (literal.length == 0) continue;
    HOLDS(literal.position <= waiting.size() && literal.length <= waiting.size() - literal.position);
    const auto from = waiting.begin() + std::ptrdiff_t(literal.position);
    made.insert(made.end(), from, from + std::ptrdiff_t(literal.length));
  }
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  Case input(bytes, length);
  Bytes basis(input.word() % 2048);
  for (size_t i = 0; i < basis.size(); i++) basis[i] = uint8_t(i ^ i >> 8);
  const size_t piece_bytes = 1 + input.byte();
  const std::vector<Bytes> deltas = deltas_of(input, basis.size());
  try {
    Bytes composed;
    const auto error = error_of([&] { composed = compose(deltas); });
    Bytes backward, waiting;
    const auto backward_error = error_of([&] { backward = compose_backward(deltas, piece_bytes, waiting); });
    Bytes content = basis;
    const auto expected = error_of([&] {
      for (const Bytes& delta : deltas) content = naive_patch(content, naive_commands(delta), MADE_MAX);
    });
    if (!expected) {
      HOLDS(!error);
      HOLDS(naive_patch(basis, naive_commands(composed)) == content);
      HOLDS(!backward_error && backward == composed && waiting.size() <= content.size());
      // Nothing is left to join, in any grouping.
      HOLDS(compose({composed}) == composed);
      const std::vector<Bytes> others(deltas.begin() + 1, deltas.end());
      if (!others.empty()) HOLDS(compose({deltas[0], compose(others)}) == composed);
    } else if (!error) {
      // Only that a copy of the first delta does not fit the basis is for the one who patches to find.
      HOLDS(expected == ErrorKind::basis_mismatch);
      naive_commands(composed);
    }
  } catch (const Stopped&) {
  } catch (const std::length_error&) {
  }
  return 0;
}
