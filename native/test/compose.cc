#include <algorithm>

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

class BytesSink final : public DeltaSink {
 public:
  explicit BytesSink(const std::vector<Bytes>& deltas) : deltas_(deltas) {}
  void commands(const uint8_t* bytes, size_t length) override { out.insert(out.end(), bytes, bytes + length); }
  void literal(uint32_t delta, uint64_t position, uint64_t length) override {
    CHECK(position + length <= deltas_.at(delta).size());
    const auto from = deltas_[delta].begin() + std::ptrdiff_t(position);
    out.insert(out.end(), from, from + std::ptrdiff_t(length));
    literal_bytes += length;
  }
  Bytes out;
  uint64_t literal_bytes = 0;

 private:
  const std::vector<Bytes>& deltas_;
};

Bytes compose(const std::vector<Bytes>& deltas) {
  DeltaComposer composer([] {});
  for (const Bytes& delta : deltas) composer.add(BytesInput(delta));
  BytesSink sink(deltas);
  composer.write(sink);
  return sink.out;
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

TEST("deltas that copy each other's commands again and again stop at the limit") {
  std::string many, twice;
  for (int i = 0; i < 4096; i++) many += "45 00 01 45 02 01 ";
  for (int i = 0; i < 4096; i++) twice += "46 00 2000 ";
  CHECK_THROWS(ErrorKind::delta_corrupt, composed({many + "00", twice + "00"}));
}

TEST("random chains compose to what they make one after the other, in any grouping") {
  for (unsigned seed = 1; seed <= 400; seed++) {
    Random random(seed);
    const Bytes basis = random_bytes(random, pick(random, 3000));
    std::vector<Bytes> deltas;
    Bytes content = basis, next;
    uint64_t literals = 0, commands = 0;
    for (size_t count = 1 + pick(random, seed % 10 ? 8 : 50); count > 0; count--) {
      deltas.push_back(random_delta(random, content, 1 + pick(random, 12), next));
      std::swap(content, next);
    }
    const std::string what = "seed " + std::to_string(seed);
    DeltaComposer composer([] {});
    for (const Bytes& delta : deltas) composer.add(BytesInput(delta));
    BytesSink sink(deltas);
    composer.write(sink);
    if (apply(basis, sink.out, 0, random) != content) fail(__FILE__, __LINE__, what);
    // Composed again it is the same: nothing is left to join.
    if (compose({sink.out}) != sink.out) fail(__FILE__, __LINE__, what);
    const size_t cut = pick(random, deltas.size() + 1);
    if (cut > 0 && cut < deltas.size()) {
      const auto middle = deltas.begin() + std::ptrdiff_t(cut);
      const Bytes left = compose(std::vector<Bytes>(deltas.begin(), middle));
      const Bytes right = compose(std::vector<Bytes>(middle, deltas.end()));
      if (compose({left, right}) != sink.out) fail(__FILE__, __LINE__, what + ", cut at " + std::to_string(cut));
    }
    const CommandList list = read_commands(BytesInput(sink.out), 0, SIZE_UNKNOWN);
    uint64_t start = 0;
    for (const Command& command : list.commands()) {
      commands++;
      if (command.source != CommandList::BASIS) literals += command.end - start;
      start = command.end;
    }
    CHECK_EQUAL(literals, sink.literal_bytes);
    CHECK(sink.out.size() <= 5 + literals + 17 * commands);
  }
}

TEST("long literals are passed over, wherever reads of the delta end") {
  Random random(41);
  const Bytes empty;
  for (size_t size : {4090, 4096, 65518, 65529, 65530, 65531, 65536, 200000}) {
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
