#include "rdiff_files.h"

#include <algorithm>

#include "patcher.h"
#include "stream_io.h"

namespace ibt {
namespace {

constexpr size_t BUFFER_BYTES = 1 << 20;
constexpr size_t BUFFER_BYTES_MAX = 8 << 20;
// The engine hashes whole blocks side by side, this many, and one that is spread over two calls by itself.
constexpr size_t BUFFER_BLOCKS = 16;

size_t buffer_bytes(uint32_t block_len) {
  const size_t unit = size_t(block_len) * BUFFER_BLOCKS;
  if (unit <= BUFFER_BYTES) return BUFFER_BYTES / unit * unit;
  return unit <= BUFFER_BYTES_MAX ? unit : BUFFER_BYTES_MAX;
}

// Memory that is not zeroed first.
struct Buffer {
  explicit Buffer(size_t size) : size(size) { bytes.reserve_more(size); }
  RawBytes bytes;
  const size_t size;
  uint8_t* data() const { return bytes.data(); }
};

void flush(Bytes& pending, Output& output, size_t above) {
  if (pending.size() <= above) return;
  output.write(pending.data(), pending.size());
  pending.clear();
}

std::shared_ptr<const Signature> load_signature(int fd, const CancelToken& cancel) {
  Input input(fd, cancel);
  const Buffer buffer(BUFFER_BYTES);
  SignatureLoader loader;
  while (const size_t count = input.read(buffer.data(), buffer.size)) loader.update(buffer.data(), count);
  return loader.finish();
}

// Feeds the whole input through the writer or encoder.
template <class Engine>
JobStats pump(Engine& engine, uint32_t block_len, Input& input, Output& output) {
  const Buffer buffer(buffer_bytes(block_len));
  Bytes pending;
  while (const size_t count = input.read(buffer.data(), buffer.size)) {
    engine.update(buffer.data(), count, pending);
    flush(pending, output, BUFFER_BYTES);
  }
  engine.finish(pending);
  flush(pending, output, 0);
  return {input.total(), output.total()};
}

}  // namespace

JobStats signature_file(int in, int out, const SignatureChoice& choice, const CancelToken& cancel) {
  Input input(in, cancel);
  Output output(out, cancel);
  const SignatureFormat format =
      resolve_format(choice.weak, choice.strong, choice.block_len, choice.strong_len, input.size());
  SignatureWriter writer(format);
  return pump(writer, format.block_len, input, output);
}

JobStats delta_file(int signature, int in, int out, const CancelToken& cancel) {
  Input input(in, cancel);
  Output output(out, cancel);
  const auto basis = load_signature(signature, cancel);
  DeltaEncoder encoder(basis);
  return pump(encoder, basis->format().block_len, input, output);
}

JobStats patch_file(int basis, int delta, int out, const CancelToken& cancel) {
  Input input(delta, cancel);
  Output output(out, cancel);
  const FileBasis from(basis);
  const Buffer buffer(BUFFER_BYTES);
  Patcher patcher;
  RawBytes made;
  made.reserve_more(BUFFER_BYTES);
  while (!patcher.ended()) {
    if (patcher.hungry() && made.size() < BUFFER_BYTES) {
      const size_t count = input.read(buffer.data(), buffer.size);
      if (count == 0) patcher.finish();
      patcher.feed(buffer.data(), count);
    }
    patcher.pull(from, BUFFER_BYTES - made.size(), made, cancel);
    if (made.size() < BUFFER_BYTES && !patcher.ended()) continue;
    output.write(made.data(), made.size());
    made.truncate(0);
  }
  return {input.total(), output.total()};
}

}  // namespace ibt
