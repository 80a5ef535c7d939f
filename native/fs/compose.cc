#include "compose.h"

#include <algorithm>

#include "stream_io.h"
#include "system_error.h"

namespace ibt {
namespace {

constexpr size_t BUFFER_BYTES = 1 << 20;

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

}  // namespace

JobStats compose_files(const std::vector<Fd>& deltas, int out, const CancelToken& cancel) {
  Output output(out, cancel);
  Deltas inputs;
  uint64_t in_bytes = 0;
  for (size_t i = 0; i < deltas.size(); i++) {
    about(i, [&] { in_bytes += file_bytes(deltas[i].get()); });
    inputs.push_back(std::make_unique<FileDelta>(deltas[i].get(), cancel));
  }
  DeltaComposer composer([&cancel] { cancel.check(); });
  add_all(composer, inputs);
  RawBytes buffer;
  buffer.reserve_more(BUFFER_BYTES);
  const auto flush = [&] {
    output.write(buffer.data(), buffer.size());
    buffer.truncate(0);
  };
  Bytes commands;
  for (LiteralRange literal; composer.next(commands, literal); commands.clear()) {
    if (commands.size() > BUFFER_BYTES - buffer.size()) flush();
    buffer.append(commands.data(), commands.size());
    while (literal.length > 0) {
      if (buffer.size() == BUFFER_BYTES) flush();
      const size_t step = std::min<uint64_t>(literal.length, BUFFER_BYTES - buffer.size());
      read_literal(inputs, literal.delta, literal.position, buffer.end(), step);
      buffer.added(step);
      literal.position += step;
      literal.length -= step;
    }
  }
  flush();
  return {in_bytes, output.total()};
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
