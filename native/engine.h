// The engine's face: librsync's formats on bytes. Plain C++17: no N-API, no file system, no threads of its own.
// Everything here is streaming and bounded; hostile input throws EngineError before memory is taken for it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace ibt {

enum class ErrorKind {
  bad_magic,          // not a signature or delta
  input_ended,        // a record is cut
  signature_corrupt,  // a header that no signature can have (block or strong length 0 or too large)
  delta_corrupt,      // a reserved or zero-length command
  basis_mismatch,     // a COPY beyond the basis
  parameter,          // the caller's mistake
};

struct EngineError : std::runtime_error {
  ErrorKind kind;
  // Which of several inputs it is about; -1: not said.
  int input = -1;
  EngineError(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
};

using Bytes = std::vector<uint8_t>;

enum class Weak { rollsum, rabinkarp };
enum class Strong { md4, blake2 };

constexpr int64_t SIZE_UNKNOWN = -1;
constexpr uint32_t DELTA_MAGIC = 0x72730236;

struct SignatureFormat {
  Weak weak = Weak::rabinkarp;
  Strong strong = Strong::blake2;
  uint32_t block_len = 0;
  uint32_t strong_len = 0;
  uint32_t magic() const;
};

// librsync's rs_sig_args: block_len 0 = its default for the size; strong_len 0 = all, -1 = its minimum for the size.
SignatureFormat resolve_format(Weak weak, Strong strong, int64_t block_len, int64_t strong_len, int64_t size_bytes);

class Sha256 {
 public:
  Sha256();
  void update(const uint8_t* bytes, size_t length);
  std::array<uint8_t, 32> finish();

 private:
  std::array<uint32_t, 8> state_;
  std::array<uint8_t, 64> block_;
  uint64_t length_ = 0;
};

struct Content {
  const uint8_t* bytes;
  size_t length;
};

// 32 bytes for each of several contents, two of which are hashed at a time: faster where SHA-256 has instructions.
void sha256_many(const Content* contents, size_t count, uint8_t* digests);

// Zeros to hash, where there is no memory with them.
constexpr size_t ZEROS_BYTES = 64 << 10;
extern const uint8_t ZEROS[ZEROS_BYTES];

// Makes a signature. Output is appended to `out`: the header first, a record whenever a block is complete.
class SignatureWriter {
 public:
  explicit SignatureWriter(const SignatureFormat& format);
  // Writes the records of blocks alone, for the parts of a content that others hash side by side.
  static SignatureWriter behind_header(const SignatureFormat& format);
  ~SignatureWriter();
  SignatureWriter(SignatureWriter&&) = default;
  void update(const uint8_t* bytes, size_t length, Bytes& out);
  // As `update` with so many zeros; the sums of a block of them are computed once.
  void zeros(uint64_t count, Bytes& out);
  void finish(Bytes& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A signature in memory, indexed for look-ups of weak sums. Immutable once loaded: may be shared by threads.
class Signature {
 public:
  ~Signature();
  const SignatureFormat& format() const;
  size_t blocks() const;
  size_t memory_bytes() const;
  struct State;
  const State& state() const { return *state_; }

 private:
  friend class SignatureLoader;
  explicit Signature(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class SignatureLoader {
 public:
  SignatureLoader();
  ~SignatureLoader();
  void update(const uint8_t* bytes, size_t length);
  std::shared_ptr<const Signature> finish();

 private:
  std::unique_ptr<Signature::State> state_;
  Bytes pending_;
};

// Makes a delta of what it is given against a signature. Output is appended to `out`.
class DeltaEncoder {
 public:
  explicit DeltaEncoder(std::shared_ptr<const Signature> basis);
  ~DeltaEncoder();
  void update(const uint8_t* bytes, size_t length, Bytes& out);
  void finish(Bytes& out);
  uint64_t copies() const;
  uint64_t copied_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads a delta. Feed bytes, then take commands until `need_input`.
class DeltaDecoder {
 public:
  enum class Next { need_input, literal, copy, end };
  DeltaDecoder();
  ~DeltaDecoder();
  // The bytes must stay valid until next() says need_input.
  void feed(const uint8_t* bytes, size_t length);
  Next next();
  // Of a literal: the part of it that is at hand (a long literal comes in several).
  const uint8_t* literal() const;
  uint64_t position() const;  // of a copy
  uint64_t length() const;    // of this part of a literal, or of a copy
  // Of a literal: passes over what is not at hand. Returns how many bytes of input that takes.
  uint64_t skip_literal();
  // No more input comes. Throws input_ended if the END command was not seen.
  void finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A delta that can be read at any position.
class DeltaInput {
 public:
  virtual ~DeltaInput() = default;
  // Fewer bytes only at its end.
  virtual size_t read(uint64_t position, uint8_t* bytes, size_t length) const = 0;
};

// Bytes that lie in one of the deltas that were composed, counted from 0.
struct LiteralRange {
  uint32_t delta;
  uint64_t position;
  uint64_t length;
};

// Makes one delta of several: of those from A to B, from B to C, and so on, the one from A to the last, without any of
// the contents. Literals are not held, only where they are. Memory: 24 bytes a command of all lists that are held at
// once, of what was added and of what it makes, which together have at most 2^24; time: commands * log(deltas). What it
// makes is as long as the literals that are left, and its commands.
class DeltaComposer {
 public:
  // `check` is called at least every few thousand commands, and may throw.
  explicit DeltaComposer(std::function<void()> check);
  ~DeltaComposer();
  // The next delta. Throws bad_magic, input_ended, and delta_corrupt: also if it copies what the one before it does not
  // make, or if there are too many commands.
  void add(const DeltaInput& delta);
  // What comes next of the delta of all that were added: appends some commands, and says which bytes follow them, of
  // length 0 if none. False behind its end. Nothing may be added any more.
  bool next(Bytes& commands, LiteralRange& literal);
  // `next` begins again.
  void rewind();
  // COPY commands of the delta of all that were added. Nothing may be added any more.
  uint64_t copies();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ibt
