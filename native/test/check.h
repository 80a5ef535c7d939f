// A test harness of one screen: TEST("title") { … CHECK(…) … }. main.cc runs them all.
#pragma once
#include <functional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "../engine.h"

namespace ibt::test {

struct Test {
  std::string title;
  std::function<void()> body;
};

std::vector<Test>& tests();

struct Register {
  Register(const char* title, void (*body)()) { tests().push_back({title, body}); }
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

template <class A, class B>
void check_equal(const char* file, int line, const char* what, const A& a, const B& b) {
  if (a == b) return;
  std::ostringstream message;
  message << what << " is " << a << ", not " << b;
  fail(file, line, message.str());
}

// Runs it and checks that it throws an error of this kind.
template <class Body>
void check_throws(const char* file, int line, ErrorKind kind, Body body) {
  try {
    body();
  } catch (const EngineError& error) {
    check_equal(file, line, "the kind of the error", int(error.kind), int(kind));
    return;
  }
  fail(file, line, "nothing was thrown");
}

using Random = std::mt19937_64;

// Below `limit`.
inline size_t pick(Random& random, size_t limit) { return size_t(random() % limit); }

Bytes random_bytes(Random& random, size_t size);
Bytes bytes_of(const std::string& text);
Bytes from_hex(const std::string& hex);
std::string to_hex(const uint8_t* bytes, size_t length);

// Gives the bytes in pieces: of `chunk` bytes, or with 0 of random sizes, some of them empty.
template <class Take>
void in_pieces(const Bytes& bytes, size_t chunk, Random& random, Take take) {
  for (size_t at = 0; at < bytes.size();) {
    size_t most = bytes.size() - at;
    size_t length = chunk > 0 ? chunk : pick(random, pick(random, 2) ? 5 : 5000);
    // Copies of their own, so that the sanitizer sees a byte read too far.
    Bytes piece(bytes.begin() + std::ptrdiff_t(at), bytes.begin() + std::ptrdiff_t(at + std::min(most, length)));
    take(piece.data(), piece.size());
    at += piece.size();
  }
}

Bytes sign(const Bytes& basis, const SignatureFormat& format, size_t chunk, Random& random);
std::shared_ptr<const Signature> load(const Bytes& signature, size_t chunk, Random& random);
Bytes encode(const std::shared_ptr<const Signature>& signature, const Bytes& content, size_t chunk, Random& random);
Bytes apply(const Bytes& basis, const Bytes& delta, size_t chunk, Random& random);

}  // namespace ibt::test

#define TEST_JOIN_(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN_(a, b)
#define TEST(title)                                                                                       \
  static void TEST_JOIN(test_, __LINE__)();                                                               \
  static const ::ibt::test::Register TEST_JOIN(register_, __LINE__){title, TEST_JOIN(test_, __LINE__)}; \
  static void TEST_JOIN(test_, __LINE__)()
#define CHECK(condition) \
  if (!(condition)) ::ibt::test::fail(__FILE__, __LINE__, #condition " does not hold")
#define CHECK_EQUAL(a, b) ::ibt::test::check_equal(__FILE__, __LINE__, #a, a, b)
#define CHECK_THROWS(kind, ...) ::ibt::test::check_throws(__FILE__, __LINE__, kind, [&] { __VA_ARGS__; })
