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

class FileSink final : public DeltaSink {
 public:
  FileSink(const Deltas& deltas, Output& output) : deltas_(deltas), output_(output) {
    buffer_.reserve_more(BUFFER_BYTES);
  }
  void commands(const uint8_t* bytes, size_t length) override {
    if (length > BUFFER_BYTES - buffer_.size()) flush();
    buffer_.append(bytes, length);
  }
  void literal(uint32_t delta, uint64_t position, uint64_t length) override {
    while (length > 0) {
      if (buffer_.size() == BUFFER_BYTES) flush();
      const size_t step = std::min<uint64_t>(length, BUFFER_BYTES - buffer_.size());
      read_literal(deltas_, delta, position, buffer_.end(), step);
      buffer_.added(step);
      position += step;
      length -= step;
    }
  }
  void flush() {
    output_.write(buffer_.data(), buffer_.size());
    buffer_.truncate(0);
  }

 private:
  const Deltas& deltas_;
  Output& output_;
  RawBytes buffer_;
};

class MemorySink final : public DeltaSink {
 public:
  MemorySink(const Deltas& deltas, uint64_t max, const CancelToken& cancel)
      : deltas_(deltas), max_(max), cancel_(cancel) {}
  void commands(const uint8_t* bytes, size_t length) override {
    check(length);
    out.append(bytes, length);
  }
  void literal(uint32_t delta, uint64_t position, uint64_t length) override {
    check(length);
    out.reserve_more(length);
    read_literal(deltas_, delta, position, out.end(), length);
    out.added(length);
  }
  RawBytes out;

 private:
  void check(uint64_t more) const {
    cancel_.check();
    if (more <= max_ - out.size()) return;
    throw EngineError(ErrorKind::delta_corrupt, "Deltas that compose to more than " + std::to_string(max_) + " bytes");
  }

  const Deltas& deltas_;
  const uint64_t max_;
  const CancelToken& cancel_;
};

void compose(const Deltas& deltas, DeltaSink& sink, const CancelToken& cancel) {
  DeltaComposer composer([&cancel] { cancel.check(); });
  for (size_t i = 0; i < deltas.size(); i++) about(i, [&] { composer.add(*deltas[i]); });
  composer.write(sink);
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
  FileSink sink(inputs, output);
  compose(inputs, sink, cancel);
  sink.flush();
  return {in_bytes, output.total()};
}

RawBytes compose_bytes(const std::vector<ByteRange>& deltas, uint64_t max, const CancelToken& cancel) {
  Deltas inputs;
  for (const ByteRange& delta : deltas) inputs.push_back(std::make_unique<MemoryDelta>(delta));
  MemorySink sink(inputs, max, cancel);
  compose(inputs, sink, cancel);
  return std::move(sink.out);
}

}  // namespace ibt
