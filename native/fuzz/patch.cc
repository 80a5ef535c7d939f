// A patcher makes of any delta what a naive one makes, however it is pushed and pulled; or fails alike.
#include "../fs/patcher.h"
#include "naive.h"

using namespace ibt;
using namespace ibt::fuzz;

namespace {

Bytes patch(const Bytes& basis, const Bytes& delta, uint8_t cut, size_t pull) {
  const MemoryBasis memory(basis.data(), basis.size());
  const CancelToken never;
  Patcher patcher;
  Bytes made;
  in_pieces(delta, cut, [&](const uint8_t* bytes, size_t length) {
    patcher.feed(bytes, length);
    while (!patcher.hungry() && !patcher.ended()) {
      RawBytes out;
      patcher.pull(memory, pull, out, never);
      HOLDS(out.size() <= pull);
      HOLDS(out.size() == pull || patcher.hungry() || patcher.ended());
      if (out.size() > 0) made.insert(made.end(), out.data(), out.end());
    }
  });
  patcher.finish();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  Case input(bytes, length);
  const uint8_t cut = input.byte();
  const size_t pull = 1 + input.word();
  Bytes basis = input.take(input.byte());
  // Longer than the bytes that widths of one can reach, at little cost of the case's length.
  if (!basis.empty()) basis.resize(basis.size() + 16u * input.byte(), basis[0]);
  const Bytes delta = input.rest();

  std::vector<NaiveCommand> commands;
  Bytes expected;
  const auto unreadable = error_of([&] { commands = naive_commands(delta); });
  const auto unfit = error_of([&] { expected = naive_patch(basis, commands); });
  for (const bool at_once : {true, false}) {
    Bytes made;
    const auto error =
        error_of([&] { made = at_once ? patch(basis, delta, 0, 1 << 20) : patch(basis, delta, cut, pull); });
    if (!unreadable) {
      HOLDS(error == unfit);
      if (!error) HOLDS(made == expected);
    } else {
      // What comes before the fault may not fit the basis.
      HOLDS(error == unreadable || error == ErrorKind::basis_mismatch);
    }
  }
  return 0;
}
