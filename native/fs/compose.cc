#include "compose.h"

#include <algorithm>

#include "relay.h"
#include "stream_io.h"
#include "system_error.h"

namespace ibt {
namespace {

// What is read and what is written next stay in a core's own cache.
constexpr size_t PART_BYTES = 512 << 10;
// One thread reads, the other writes: there is nothing for a third.
constexpr size_t THREADS = 2;

using Deltas = std::vector<std::unique_ptr<DeltaInput>>;

class FileDelta final : public DeltaInput {
 public:
  FileDelta(int fd, const CancelToken& cancel) : fd_(fd), cancel_(cancel) {}
  size_t read(uint64_t position, uint8_t* bytes, size_t length) const override {
    cancel_.check();
    return read_at(fd_, position, bytes, length);
  }

 private:
  const int fd_;
  const CancelToken& cancel_;
};

class MemoryDelta final : public DeltaInput {
 public:
  explicit MemoryDelta(const ByteRange& range) : range_(range) {}
  size_t read(uint64_t position, uint8_t* bytes, size_t length) const override {
    if (position >= range_.size) return 0;
    const size_t count = std::min<uint64_t>(length, range_.size - position);
    std::memcpy(bytes, range_.data + position, count);
    return count;
  }

 private:
  const ByteRange range_;
};

Deltas inputs_of(const std::vector<DeltaPlace>& places, const CancelToken& cancel) {
  Deltas inputs;
  for (const auto& [fd, bytes] : places) {
    if (bytes.data != nullptr) inputs.push_back(std::make_unique<MemoryDelta>(bytes));
    else inputs.push_back(std::make_unique<FileDelta>(fd, cancel));
  }
  return inputs;
}

// Runs what is about one delta.
template <class Run>
void about(size_t delta, Run run) {
  try {
    run();
  } catch (EngineError& error) {
    error.input = static_cast<int>(delta);
    throw;
  } catch (SystemError& error) {
    error.input = static_cast<int>(delta);
    throw;
  }
}

void read_literal(const Deltas& deltas, uint32_t delta, uint64_t position, uint8_t* bytes, size_t length) {
  about(delta, [&] {
    if (deltas[delta]->read(position, bytes, length) == length) return;
    throw EngineError(ErrorKind::input_ended, "Delta that became shorter while it was composed");
  });
}

void add_all(DeltaComposer& composer, const Deltas& deltas) {
  for (size_t i = 0; i < deltas.size(); i++) about(i, [&] { composer.add(*deltas[i]); });
}

// A part of the delta that is made, and which of its bytes are literals still to be read.
struct Part {
  struct Literal {
    size_t at;
    LiteralRange from;
  };
  RawBytes bytes;
  std::vector<Literal> literals;
};

class Parts {
 public:
  explicit Parts(DeltaComposer& composer) : composer_(composer) {}
  // False behind the end.
  bool take(Part& part) {
    part.bytes.truncate(0);
    part.literals.clear();
    while (part.bytes.size() < PART_BYTES) {
      if (literal_.length == 0) {
        commands_.clear();
        if (!composer_.next(commands_, literal_)) break;
        part.bytes.append(commands_.data(), commands_.size());
      }
      take_literal(part);
    }
    return part.bytes.size() > 0;
  }

 private:
  void take_literal(Part& part) {
    const size_t at = part.bytes.size();
    const size_t length = std::min<uint64_t>(literal_.length, PART_BYTES - std::min(at, PART_BYTES));
    if (length == 0) return;
    part.literals.push_back({at, {literal_.delta, literal_.position, length}});
    part.bytes.reserve_more(length);
    part.bytes.added(length);
    literal_.position += length;
    literal_.length -= length;
  }

  DeltaComposer& composer_;
  Bytes commands_;
  LiteralRange literal_ = {};
};

}  // namespace

JobStats compose_files(const std::vector<Fd>& deltas, int out, size_t threads, const CancelToken& cancel) {
  CancelToken stop(&cancel);
  Output output(out, stop);
  Deltas inputs;
  uint64_t in_bytes = 0;
  for (size_t i = 0; i < deltas.size(); i++) {
    about(i, [&] { in_bytes += file_bytes(deltas[i].get()); });
    inputs.push_back(std::make_unique<FileDelta>(deltas[i].get(), stop));
  }
  DeltaComposer composer([&stop] { stop.check(); });
  add_all(composer, inputs);
  Parts parts(composer);
  relay(
      std::min(threads, THREADS), stop, [] { return Part(); }, [&](Part& part) { return parts.take(part); },
      [&](Part& part) {
        for (const auto& [at, from] : part.literals) {
          read_literal(inputs, from.delta, from.position, part.bytes.data() + at, from.length);
        }
      },
      [&](Part& part) { output.write(part.bytes.data(), part.bytes.size()); });
  return {in_bytes, output.total()};
}

ComposedDelta::ComposedDelta()
    : composer_([this] {
        if (cancel_ != nullptr) cancel_->check();
      }) {}

void ComposedDelta::feed(ByteRange piece, std::vector<ByteSpan>& wanted) {
  cancel_ = nullptr;
  about(0, [&] { composer_.feed(piece.data, piece.size, wanted); });
}

void ComposedDelta::end(const CancelToken& cancel) {
  cancel_ = &cancel;
  about(0, [&] { composer_.end(); });
}

std::vector<ByteSpan> ComposedDelta::compact() {
  cancel_ = nullptr;
  return composer_.compact();
}

uint64_t ComposedDelta::count_bytes(const CancelToken& cancel) {
  rewind();
  uint64_t count = 0;
  while (composer_.next(commands_, literal_)) {
    cancel.check();
    count += commands_.size() + literal_.length;
    commands_.clear();
  }
  rewind();
  return count;
}

void ComposedDelta::pull(const DeltaPlace& literals, size_t max, RawBytes& out, const CancelToken& cancel) {
  const Deltas inputs = inputs_of({literals}, cancel);
  while (out.size() < max) {
    cancel.check();
    if (literal_.length == 0) {
      commands_.clear();
      if (!composer_.next(commands_, literal_)) return;
      out.append(commands_.data(), commands_.size());
    }
    const size_t length = std::min<uint64_t>(literal_.length, max - std::min(out.size(), max));
    if (length == 0) continue;
    out.reserve_more(length);
    read_literal(inputs, literal_.delta, literal_.position, out.end(), length);
    out.added(length);
    literal_.position += length;
    literal_.length -= length;
  }
}

void ComposedDelta::rewind() {
  composer_.rewind();
  commands_.clear();
  literal_ = {};
}

RawBytes compose_bytes(const std::vector<ByteRange>& deltas, uint64_t max, const CancelToken& cancel) {
  Deltas inputs;
  for (const ByteRange& delta : deltas) inputs.push_back(std::make_unique<MemoryDelta>(delta));
  DeltaComposer composer([&cancel] { cancel.check(); });
  add_all(composer, inputs);
  RawBytes out;
  Bytes commands;
  for (LiteralRange literal; composer.next(commands, literal); commands.clear()) {
    cancel.check();
    if (commands.size() > max - out.size() || literal.length > max - out.size() - commands.size()) {
      throw EngineError(ErrorKind::delta_corrupt, "Deltas that compose to more than " + std::to_string(max) + " bytes");
    }
    out.append(commands.data(), commands.size());
    if (literal.length == 0) continue;
    out.reserve_more(literal.length);
    read_literal(inputs, literal.delta, literal.position, out.end(), literal.length);
    out.added(literal.length);
  }
  return out;
}

}  // namespace ibt
