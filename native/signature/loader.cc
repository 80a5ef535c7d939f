#include <algorithm>

#include "../hash/bytes.h"
#include "../hash/strong.h"
#include "../hash/weak.h"
#include "format.h"
#include "index.h"

namespace ibt {
namespace {

constexpr size_t BLOCKS_MAX = NO_BLOCK;

[[noreturn]] void corrupt(const std::string& message) { throw EngineError(ErrorKind::signature_corrupt, message); }

void parse_header(const uint8_t* header, SignatureFormat& format) {
  if (!parse_magic(load_be32(header), format)) throw EngineError(ErrorKind::bad_magic, "Not a signature");
  format.block_len = load_be32(header + 4);
  format.strong_len = load_be32(header + 8);
  if (format.block_len == 0 || format.block_len > BLOCK_LEN_MAX) {
    corrupt("Signature with block length " + std::to_string(format.block_len));
  }
  if (format.strong_len == 0 || format.strong_len > strong_digest(format.strong)) {
    corrupt("Signature with strong length " + std::to_string(format.strong_len));
  }
}

void add_record(Signature::State& state, const uint8_t* record) {
  if (state.blocks() == BLOCKS_MAX) corrupt("Signature with more than 2^32 - 1 blocks");
  state.keys.push_back(weak_key(state.format.weak, load_be32(record)));
  state.strong.insert(state.strong.end(), record + 4, record + 4 + state.format.strong_len);
}

}  // namespace

Signature::Signature(std::unique_ptr<State> state) : state_(std::move(state)) {}
Signature::~Signature() = default;

const SignatureFormat& Signature::format() const { return state_->format; }

size_t Signature::blocks() const { return state_->blocks(); }

size_t Signature::memory_bytes() const {
  const State& s = *state_;
  return sizeof s + s.strong.capacity() + s.filter.memory_bytes() +
         sizeof(uint32_t) * (s.keys.capacity() + s.order.capacity() + s.starts.capacity());
}

SignatureLoader::SignatureLoader() : state_(std::make_unique<Signature::State>()) {}
SignatureLoader::~SignatureLoader() = default;

// `pending_` holds the part of a header or record whose rest has not come.
void SignatureLoader::update(const uint8_t* bytes, size_t length) {
  if (!state_) throw EngineError(ErrorKind::parameter, "The signature is loaded already");
  SignatureFormat& format = state_->format;
  while (length > 0) {
    const bool in_header = format.block_len == 0;
    const size_t need = in_header ? SIGNATURE_HEADER : 4 + format.strong_len;
    const uint8_t* unit = bytes;
    size_t take = need;
    if (!pending_.empty() || length < need) {
      take = std::min(length, need - pending_.size());
      pending_.insert(pending_.end(), bytes, bytes + take);
      unit = pending_.data();
    }
    bytes += take;
    length -= take;
    if (unit == pending_.data() && pending_.size() < need) return;
    if (in_header) {
      parse_header(unit, format);
    } else {
      add_record(*state_, unit);
    }
    pending_.clear();
  }
}

std::shared_ptr<const Signature> SignatureLoader::finish() {
  if (!state_) throw EngineError(ErrorKind::parameter, "The signature is loaded already");
  if (state_->format.block_len == 0 || !pending_.empty()) {
    throw EngineError(ErrorKind::input_ended, "Signature cut " + std::to_string(pending_.size()) + " bytes into a record");
  }
  state_->build();
  return std::shared_ptr<const Signature>(new Signature(std::move(state_)));
}

}  // namespace ibt
