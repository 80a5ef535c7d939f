// Any bytes are decoded as a naive decoder does, however they are cut; or fail alike.
#include "naive.h"

using namespace ibt;
using namespace ibt::fuzz;

namespace {

std::vector<NaiveCommand> decode(const Bytes& delta, uint8_t seed) {
  std::vector<NaiveCommand> commands;
  DeltaDecoder decoder;
  in_pieces(delta, seed, [&](const uint8_t* bytes, size_t length) {
    decoder.feed(bytes, length);
    for (auto next = decoder.next(); next != DeltaDecoder::Next::need_input; next = decoder.next()) {
      if (next == DeltaDecoder::Next::end) return;
      HOLDS(decoder.length() > 0);
      if (next == DeltaDecoder::Next::copy) {
        commands.push_back({true, decoder.position(), decoder.length(), {}});
        continue;
      }
      HOLDS(decoder.literal() >= bytes && decoder.literal() + decoder.length() <= bytes + length);
      commands.push_back({false, 0, decoder.length(), Bytes(decoder.literal(), decoder.literal() + decoder.length())});
    }
  });
  decoder.finish();
  return commands;
}

// Literals that follow each other as one: a decoder gives them as they come.
std::vector<NaiveCommand> joined(const std::vector<NaiveCommand>& commands) {
  std::vector<NaiveCommand> out;
  for (const NaiveCommand& command : commands) {
    if (command.is_copy || out.empty() || out.back().is_copy) {
      out.push_back(command);
      continue;
    }
    out.back().literal.insert(out.back().literal.end(), command.literal.begin(), command.literal.end());
    out.back().length += command.length;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  Case input(bytes, length);
  const uint8_t seed = input.byte();
  const Bytes delta = input.rest();
  std::vector<NaiveCommand> expected;
  const auto expected_error = error_of([&] { expected = naive_commands(delta); });
  for (const uint8_t cut : {uint8_t(0), uint8_t(1), seed}) {
    std::vector<NaiveCommand> commands;
    HOLDS(error_of([&] { commands = decode(delta, cut); }) == expected_error);
    if (!expected_error) HOLDS(joined(commands) == joined(expected));
  }
  return 0;
}
