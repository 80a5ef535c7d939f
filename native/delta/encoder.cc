#include <algorithm>

#include "../hash/bytes.h"
#include "commands.h"
#include "search.h"

namespace ibt {

// What the search sees is contiguous: the caller's bytes, or at the seams of two calls `rest`.
struct DeltaEncoder::State {
  explicit State(std::shared_ptr<const Signature> signature)
      : signature(std::move(signature)), search(this->signature->state()) {}

  std::shared_ptr<const Signature> signature;
  Search search;
  Edits edits;
  CommandWriter commands;
  bool started = false;
  // Bytes that are in no command yet, from `rest_at` on: less than a block, or one that was looked up in vain.
  Bytes rest;
  size_t rest_at = 0;

  void start(Bytes& out) {
    if (started) return;
    started = true;
    append_be(out, DELTA_MAGIC, 4);
  }

  void write_edits(const uint8_t* bytes, Bytes& out) {
    for (const Edit& edit : edits) {
      if (edit.is_literal()) commands.literal(bytes, edit.length, out);
      else commands.copy(edit.position, edit.length, out);
      bytes += edit.length;
    }
    edits.clear();
  }

  size_t take(const uint8_t* bytes, size_t length, Bytes& out) {
    const size_t taken = search.take(bytes, length, edits);
    write_edits(bytes, out);
    return taken;
  }

  void keep(const uint8_t* bytes, size_t length) {
    // Moved to the front only when that halves it, so that many short calls do not move a long rest each time.
    if (rest_at >= rest.size() - rest_at) {
      rest.erase(rest.begin(), rest.begin() + std::ptrdiff_t(rest_at));
      rest_at = 0;
    }
    rest.insert(rest.end(), bytes, bytes + length);
  }

  void update(const uint8_t* bytes, size_t length, Bytes& out) {
    if (length == 0) return;
    size_t held = rest.size() - rest_at;
    if (held > 0) {
      // One block more completes every window that begins in the rest.
      size_t more = std::min(length, size_t(signature->format().block_len));
      keep(bytes, more);
      rest_at += take(rest.data() + rest_at, rest.size() - rest_at, out);
      held = rest.size() - rest_at;
      if (held > more) return;
      bytes += more - held;
      length -= more - held;
      rest.clear();
      rest_at = 0;
    }
    size_t taken = take(bytes, length, out);
    keep(bytes + taken, length - taken);
  }

  void finish(Bytes& out) {
    const uint8_t* bytes = rest.data() + rest_at;
    search.finish(bytes, rest.size() - rest_at, edits);
    write_edits(bytes, out);
    commands.finish(out);
    rest = Bytes();
    rest_at = 0;
  }
};

DeltaEncoder::DeltaEncoder(std::shared_ptr<const Signature> basis)
    : state_(std::make_unique<State>(std::move(basis))) {}
DeltaEncoder::~DeltaEncoder() = default;

void DeltaEncoder::update(const uint8_t* bytes, size_t length, Bytes& out) {
  state_->start(out);
  state_->update(bytes, length, out);
}

void DeltaEncoder::finish(Bytes& out) {
  state_->start(out);
  state_->finish(out);
}

uint64_t DeltaEncoder::copies() const { return state_->commands.copies(); }
uint64_t DeltaEncoder::copied_bytes() const { return state_->commands.copied_bytes(); }

}  // namespace ibt
