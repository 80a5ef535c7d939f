#include <algorithm>

#include "../compose/backward_composer.h"
#include "../compose/command_list.h"
#include "check.h"

using namespace ibt;
using namespace ibt::test;

namespace {

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

struct Composed {
  Bytes out;
  uint64_t literal_bytes = 0;
};

Composed take(DeltaComposer& composer, const std::vector<Bytes>& deltas) {
  Composed made;
  for (LiteralRange literal; composer.next(made.out, literal);) {
    if (literal.length == 0) continue;
    CHECK(literal.position + literal.length <= deltas.at(literal.delta).size());
    const auto from = deltas[literal.delta].begin() + std::ptrdiff_t(literal.position);
    made.out.insert(made.out.end(), from, from + std::ptrdiff_t(literal.length));
    made.literal_bytes += literal.length;
  }
  return made;
}

Bytes compose(const std::vector<Bytes>& deltas) {
  DeltaComposer composer([] {});
  for (const Bytes& delta : deltas) composer.add(BytesInput(delta));
  return take(composer, deltas).out;
}

// The deltas from the last to the first, in pieces of a size, and the literals that wait meanwhile.
Bytes compose_backward(BackwardComposer& composer, const std::vector<Bytes>& deltas, size_t piece, Bytes& literals) {
  for (size_t i = deltas.size(); i-- > 0;) {
    for (size_t at = 0; at < deltas[i].size(); at += piece) {
      const uint8_t* from = deltas[i].data() + at;
      std::vector<ByteSpan> wanted;
      composer.feed(from, std::min(piece, deltas[i].size() - at), wanted);
      for (const auto& span : wanted) literals.insert(literals.end(), from + span.from, from + span.end);
    }
    composer.end();
  }
  Bytes out;
  for (LiteralRange literal; composer.next(out, literal);) {
    const auto from = literals.begin() + std::ptrdiff_t(literal.position);
    out.insert(out.end(), from, from + std::ptrdiff_t(literal.length));
  }
  return out;
}

Bytes compose_hex(std::vector<std::string> deltas) {
  std::vector<Bytes> all;
  for (const std::string& delta : deltas) all.push_back(from_hex("72730236 " + delta));
  return compose(all);
}

std::string composed(std::vector<std::string> deltas) {
  const Bytes made = compose_hex(std::move(deltas));
  return to_hex(made.data() + 4, made.size() - 4);
}

// Random commands, of every width; what they make is returned in `made`.
Bytes random_delta(Random& random, const Bytes& basis, size_t most, Bytes& made) {
  Bytes delta = from_hex("72730236");
  made.clear();
  for (size_t count = pick(random, most); count > 0; count--) {
    if (pick(random, 3) == 0 || basis.empty()) {
      const size_t length = 1 + pick(random, pick(random, 20) ? 70 : 700);
      const Bytes literal = random_bytes(random, length);
      const unsigned width = length > 255 ? 2 : 1;
      if (length <= 64 && pick(random, 2)) delta.push_back(uint8_t(length));
      else {
        delta.push_back(uint8_t(0x40 + width));
        for (unsigned i = width; i-- > 0;) delta.push_back(uint8_t(length >> (8 * i)));
      }
      delta.insert(delta.end(), literal.begin(), literal.end());
      made.insert(made.end(), literal.begin(), literal.end());
    } else {
      const size_t position = pick(random, basis.size()), length = 1 + pick(random, basis.size() - position);
      delta.push_back(0x54);
      for (uint64_t value : {position, length}) {
        for (unsigned i = 8; i-- > 0;) delta.push_back(uint8_t(uint64_t(value) >> (8 * i)));
      }
      made.insert(made.end(), basis.begin() + std::ptrdiff_t(position), basis.begin() + std::ptrdiff_t(position + length));
    }
    if (made.size() > 20000) break;
  }
  delta.push_back(0);
  return delta;
}

}  // namespace

TEST("copies of copies are resolved, and those that continue each other are joined") {
  // 10..30 and 50..60, then 15..25 of that and 25..28.
  CHECK_EQUAL(composed({"45 0a 14 45 32 0a 00", "45 05 0a 45 19 03 00"}), "450f0a45370300");
  // Two halves, put together again.
  CHECK_EQUAL(composed({"45 00 05 45 05 05 00"}), "45000a00");
  CHECK_EQUAL(composed({"45 05 05 45 00 05 00", "45 05 05 45 00 05 00"}), "45000a00");
}

TEST("literals are carried, cut and joined") {
  CHECK_EQUAL(composed({"04 61626364 45 00 02 00", "45 01 02 02 7879 45 05 01 00"}), "046263787945010100");
  CHECK_EQUAL(composed({"02 6162 02 6364 00", "45 01 02 00"}), "02626300");
  CHECK_EQUAL(composed({"02 6162 00", "45 00 02 45 00 02 00", "45 01 02 00"}), "02626100");
  CHECK_EQUAL(composed({"02 6162 00", "01 63 00"}), "016300");
  CHECK_EQUAL(composed({"45 00 09 00", "00"}), "00");
  CHECK_EQUAL(composed({"00"}), "00");
}

TEST("a copy beyond what the delta before makes is corrupt, however the deltas are grouped") {
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({"45 00 09 00", "45 00 0a 00"}));
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({"45 00 09 00", "45 09 01 00"}));
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({"45 00 09 00", "45 00 09 00", "54 7ffffffffffffffe 0000000000000001 00"}));
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({"00", "45 00 01 00"}));
  CHECK_EQUAL(composed({"45 00 09 00", "45 08 01 00"}), "45080100");
}

TEST("what is no delta, corrupt, cut, or makes too much is refused") {
  CHECK_THROWS(ErrorKind::bad_magic, compose({from_hex("72730147 00")}));
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({"55"}));
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({"41 00 00"}));
  CHECK_THROWS(ErrorKind::input_ended, compose({{}}));
  CHECK_THROWS(ErrorKind::input_ended, composed({"45 00 01"}));
  // A literal that says it is longer than the delta.
  CHECK_THROWS(ErrorKind::input_ended, composed({"44 7fffffffffffffff 61"}));
  const std::string most = "54 0000000000000000 7fffffffffffffff ";
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({most + most + "00"}));
  CHECK_THROWS(ErrorKind::parameter, compose({}));
}

TEST("from the newest to the oldest, the same deltas are refused") {
  const auto refused = [](ErrorKind kind, std::vector<std::string> deltas) {
    std::vector<Bytes> all;
    for (const std::string& delta : deltas) all.push_back(from_hex(delta));
    BackwardComposer composer([] {});
    Bytes literals;
    CHECK_THROWS(kind, compose_backward(composer, all, 3, literals));
  };
  refused(ErrorKind::bad_magic, {"72730147 00"});
  refused(ErrorKind::input_ended, {"72730236 45 00 01"});
  refused(ErrorKind::input_ended, {"72730236", "72730236 45 00 01 00"});
  refused(ErrorKind::delta_corrupt, {"72730236 55"});
  refused(ErrorKind::delta_corrupt, {"72730236 45 00 09 00", "72730236 45 09 01 00"});
  refused(ErrorKind::delta_corrupt, {"72730236 00", "72730236 45 00 01 00"});
}

TEST("blocks that copies need again are counted") {
  const auto blocks = [](const std::string& commands, size_t kept) {
    BackwardComposer composer([] {});
    Bytes literals;
    compose_backward(composer, {from_hex("72730236 " + commands + " 00")}, 100, literals);
    uint64_t read = 0;
    const uint64_t again = composer.blocks_read_again(160, 16, kept, read);
    return std::to_string(read) + " " + std::to_string(again);
  };
  CHECK_EQUAL(blocks("45 00 a0", 4), "10 0");
  CHECK_EQUAL(blocks("45 00 01 45 10 01 45 01 01 45 11 01", 4), "2 0");
  CHECK_EQUAL(blocks("45 00 01 45 10 01 45 01 01 45 11 01", 1), "2 2");
  // Long ones: the last two blocks.
  CHECK_EQUAL(blocks("45 00 10 45 20 10 45 40 10 45 08 08", 4), "3 1");
  CHECK_EQUAL(blocks("45 00 10 45 20 10 45 40 10 45 08 01", 4), "3 0");
  // A copy beyond the basis fails when it is applied.
  CHECK_EQUAL(blocks("45 90 ff", 4), "1 0");
}

namespace {

std::string repeated(size_t count, const std::string& hex) {
  std::string all;
  while (count-- > 0) all += hex;
  return all;
}

}  // namespace

TEST("deltas that copy each other's commands again and again stop at the limit, and are asked whether to go on") {
  const std::string many = repeated(4096, "45 00 01 45 02 01 ") + "00";
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({many, repeated(4096, "46 00 2000 ") + "00"}));

  size_t asked = 0;
  DeltaComposer composer([&asked] { asked++; });
  composer.add(BytesInput(from_hex("72730236" + many)));
  CHECK_THROWS(ErrorKind::delta_corrupt, composer.add(BytesInput(from_hex("72730236" + repeated(4096, "46 00 2000 ") + "00"))));
  CHECK(asked >= CommandBudget::COMMANDS_MAX / 8192);
}

TEST("the limit is that of all commands that are held, and what was let go does not count") {
  const auto delta = [](const std::string& commands) { return from_hex("72730236" + commands + "00"); };
  const Bytes many = delta(repeated(4096, "45 00 01 45 02 01 ")), times = delta(repeated(1200, "46 00 2000 "));
  DeltaComposer composer([] {});
  // Twice less than 2^24 commands, and together more.
  for (const Bytes& one : {many, times, many}) composer.add(BytesInput(one));
  CHECK_THROWS(ErrorKind::delta_corrupt, composer.add(BytesInput(times)));

  CommandBudget budget([] {});
  for (int i = 0; i < 3; i++) {
    CommandList list(budget);
    for (uint64_t at = 0; at < CommandBudget::COMMANDS_MAX / 2; at++) list.add(CommandList::BASIS, 2 * at, 1);
    list.complete();
    CHECK_EQUAL(list.size(), CommandBudget::COMMANDS_MAX / 2);
  }
}

TEST("parts are found wherever the one before was") {
  Random random(7);
  CommandBudget budget([] {});
  CommandList list(budget);
  for (uint64_t at = 0; at < 300; at++) list.add(CommandList::BASIS, at * 1000, 1 + pick(random, 4));
  size_t near = 0;
  for (int i = 0; i < 5000; i++) {
    const uint64_t from = pick(random, list.made()), length = 1 + pick(random, std::min<uint64_t>(list.made() - from, 30));
    if (pick(random, 3) == 0) near = pick(random, 400);
    CommandList part(budget);
    part.add_part(list, from, length, near);
    CHECK_EQUAL(part.made(), length);
    size_t expected = 0;
    while (list[expected].end <= from) expected++;
    CHECK_EQUAL(part[0].from, list[expected].from + (from - list.start(expected)));
  }
}

TEST("random chains compose to what they make one after the other, in any grouping") {
  for (unsigned seed = 1; seed <= 400; seed++) {
    Random random(seed);
    const Bytes basis = random_bytes(random, pick(random, 3000));
    std::vector<Bytes> deltas;
    Bytes content = basis, next;
    uint64_t literals = 0;
    for (size_t count = 1 + pick(random, seed % 10 ? 8 : 50); count > 0; count--) {
      deltas.push_back(random_delta(random, content, 1 + pick(random, 12), next));
      std::swap(content, next);
    }
    const std::string what = "seed " + std::to_string(seed);
    DeltaComposer composer([] {});
    for (const Bytes& delta : deltas) composer.add(BytesInput(delta));
    const Composed made = take(composer, deltas);
    if (apply(basis, made.out, 0, random) != content) fail(__FILE__, __LINE__, what);
    composer.rewind();
    if (take(composer, deltas).out != made.out) fail(__FILE__, __LINE__, what + ", taken again");
    // Composed again it is the same: nothing is left to join.
    if (compose({made.out}) != made.out) fail(__FILE__, __LINE__, what);
    BackwardComposer backward([] {});
    Bytes waiting;
    if (compose_backward(backward, deltas, 1 + pick(random, 900), waiting) != made.out) fail(__FILE__, __LINE__, what);
    CHECK(waiting.size() <= content.size());
    CHECK_EQUAL(backward.copies(), composer.copies());
    // What is copied of the basis, and no more, makes the same.
    Bytes copied, compacted;
    for (const auto& [from, end] : backward.compact()) {
      copied.insert(copied.end(), basis.begin() + std::ptrdiff_t(from), basis.begin() + std::ptrdiff_t(end));
    }
    backward.rewind();
    for (LiteralRange literal; backward.next(compacted, literal);) {
      const auto from = waiting.begin() + std::ptrdiff_t(literal.position);
      compacted.insert(compacted.end(), from, from + std::ptrdiff_t(literal.length));
    }
    CHECK(waiting.size() + copied.size() <= content.size());
    if (apply(copied, compacted, 0, random) != content) fail(__FILE__, __LINE__, what + ", compacted");
    const size_t cut = pick(random, deltas.size() + 1);
    if (cut > 0 && cut < deltas.size()) {
      const auto middle = deltas.begin() + std::ptrdiff_t(cut);
      const Bytes left = compose(std::vector<Bytes>(deltas.begin(), middle));
      const Bytes right = compose(std::vector<Bytes>(middle, deltas.end()));
      if (compose({left, right}) != made.out) fail(__FILE__, __LINE__, what + ", cut at " + std::to_string(cut));
    }
    CommandBudget budget([] {});
    const CommandList list = read_commands(BytesInput(made.out), 0, SIZE_UNKNOWN, budget);
    uint64_t copies = 0;
    for (size_t i = 0; i < list.size(); i++) {
      if (list[i].source == CommandList::BASIS) copies++;
      else literals += list[i].end - list.start(i);
    }
    CHECK_EQUAL(literals, made.literal_bytes);
    CHECK_EQUAL(composer.copies(), copies);
    CHECK(made.out.size() <= 5 + literals + 17 * list.size());
  }
}

TEST("long literals are passed over, wherever reads of the delta end") {
  Random random(41);
  const Bytes empty;
  for (size_t size : {505, 512, 513, 4096, 65518, 65529, 65530, 65531, 65536, 200000}) {
    const Bytes literal = random_bytes(random, size);
    Bytes delta = from_hex("72730236 05 3031323334 43");
    for (unsigned i = 4; i-- > 0;) delta.push_back(uint8_t(size >> (8 * i)));
    delta.insert(delta.end(), literal.begin(), literal.end());
    const Bytes tail = from_hex("01 35 00");
    delta.insert(delta.end(), tail.begin(), tail.end());
    const Bytes made = compose({delta, from_hex("72730236 49 0004 02 00")});
    CHECK_EQUAL(to_hex(made.data(), made.size()), "7273023602" "34" + to_hex(literal.data(), 1) + "00");
    CHECK(apply(empty, compose({delta}), 0, random) == apply(empty, delta, 0, random));
  }
}
