#include "rdiff_files.h"

#include <algorithm>

#include "../delta/segments.h"
#include "delta_output.h"
#include "patcher.h"
#include "relay.h"
#include "stream_io.h"

namespace ibt {
namespace {

constexpr size_t BUFFER_BYTES = 1 << 20;
constexpr size_t BUFFER_BYTES_MAX = 8 << 20;
// The engine hashes whole blocks side by side, this many, and one that is spread over two calls by itself.
constexpr size_t BUFFER_BLOCKS = 16;
// What is read and what is written next stay in a core's own cache.
constexpr size_t PATCH_BYTES = 512 << 10;
// One thread reads, the other writes: there is nothing for a third.
constexpr size_t PATCH_THREADS = 2;

// Whole blocks, if they fit.
size_t buffer_bytes(uint32_t block_len) {
  const size_t unit = size_t(block_len) * BUFFER_BLOCKS;
  if (unit <= BUFFER_BYTES) return BUFFER_BYTES / unit * unit;
  if (unit <= BUFFER_BYTES_MAX) return unit;
  return block_len <= BUFFER_BYTES_MAX ? BUFFER_BYTES_MAX / block_len * block_len : BUFFER_BYTES_MAX;
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

JobStats signature_file(int in, int out, const SignatureChoice& choice, size_t threads, const CancelToken& cancel) {
  CancelToken stop(&cancel);
  Input input(in, stop);
  Output output(out, stop);
  const SignatureFormat format =
      resolve_format(choice.weak, choice.strong, choice.block_len, choice.strong_len, input.size());
  SignatureWriter writer(format);
  const size_t part_bytes = buffer_bytes(format.block_len);
  // A block that no buffer holds is hashed by one thread, as it comes.
  if (part_bytes < format.block_len) return pump(writer, format.block_len, input, output);

  Bytes header;
  writer.update(nullptr, 0, header);
  flush(header, output, 0);
  struct Part {
    explicit Part(size_t size) : buffer(size) {}
    const Buffer buffer;
    size_t count = 0;
    Bytes records;
  };
  const bool is_small = input.size() >= 0 && uint64_t(input.size()) <= part_bytes;
  relay(
      is_small ? 1 : threads, stop, [part_bytes] { return Part(part_bytes); },
      [&](Part& part) { return (part.count = input.read(part.buffer.data(), part.buffer.size)) > 0; },
      [&](Part& part) {
        SignatureWriter records = SignatureWriter::behind_header(format);
        records.update(part.buffer.data(), part.count, part.records);
        records.finish(part.records);
      },
      [&](Part& part) { flush(part.records, output, 0); });
  return {input.total(), output.total()};
}

JobStats delta_file(int signature, int in, int out, size_t threads, const CancelToken& cancel) {
  CancelToken stop(&cancel);
  const auto basis = load_signature(signature, stop);
  Input input(in, stop);
  Output output(out, stop);
  const uint32_t block_len = basis->format().block_len;
  if (block_len > BUFFER_BYTES_MAX) {
    DeltaEncoder encoder(basis);
    return pump(encoder, block_len, input, output);
  }

  const size_t segment_length = segment_bytes(block_len), part_bytes = segment_length + block_len;
  struct Part {
    explicit Part(size_t size) : buffer(size), segment{} {}
    const Buffer buffer;
    Segment segment;
    Edits edits;
  };
  // The first block of a segment ends the buffer of the one before, too.
  Bytes seam;
  uint64_t position = 0;
  bool ended = false;
  DeltaOutput delta(output);
  SegmentJoiner joiner;
  const bool is_small = input.size() >= 0 && uint64_t(input.size()) < part_bytes;
  relay(
      is_small ? 1 : threads, stop, [part_bytes] { return Part(part_bytes); },
      [&](Part& part) {
        if (ended) return false;
        uint8_t* const bytes = part.buffer.data();
        std::copy(seam.begin(), seam.end(), bytes);
        const size_t count = seam.size() + input.read(bytes + seam.size(), part_bytes - seam.size());
        ended = count < part_bytes;
        part.segment = {bytes, ended ? count : segment_length, position, ended};
        position += segment_length;
        if (!ended) seam.assign(bytes + segment_length, bytes + part_bytes);
        return count > 0;
      },
      [&](Part& part) {
        part.edits.clear();
        search_segment(*basis, part.segment, [&] { stop.check(); }, part.edits);
      },
      [&](Part& part) {
        joiner.join(part.edits, part.segment, [&](const Edit& edit, uint64_t at) {
          delta.write(edit, part.segment.bytes + at);
        });
      });
  delta.finish();
  return {input.total(), output.total()};
}

JobStats patch_file(int basis, int delta, int out, size_t threads, const CancelToken& cancel) {
  CancelToken stop(&cancel);
  Input input(delta, stop);
  Output output(out, stop);
  const FileBasis from(basis);
  const Buffer buffer(PATCH_BYTES);
  Patcher patcher;
  relay(
      std::min(threads, PATCH_THREADS), stop, [] { return RawBytes(); },
      [&](RawBytes& made) {
        made.truncate(0);
        while (made.size() < PATCH_BYTES && !patcher.ended()) {
          if (patcher.hungry()) {
            const size_t count = input.read(buffer.data(), buffer.size);
            if (count == 0) patcher.finish();
            patcher.feed(buffer.data(), count);
          }
          patcher.pull(from, PATCH_BYTES - made.size(), made, stop);
        }
        return made.size() > 0;
      },
      [](RawBytes&) {}, [&](RawBytes& made) { output.write(made.data(), made.size()); });
  return {input.total(), output.total()};
}

}  // namespace ibt
