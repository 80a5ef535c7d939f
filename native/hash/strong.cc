#include "strong.h"

#include "dispatch.h"

namespace ibt {

void strong_many(Strong strong, const uint8_t* const* blocks, size_t count, size_t length, uint8_t* digests) {
  auto many = strong == Strong::blake2 ? kernels().blake2b_many : kernels().md4_many;
  many(blocks, count, length, digests);
}

void StrongStream::update(const uint8_t* bytes, size_t length) {
  if (strong_ == Strong::blake2) {
    blake2b_.update(bytes, length);
  } else {
    md4_.update(bytes, length);
  }
}

void StrongStream::finish(uint8_t* digest) {
  if (strong_ == Strong::blake2) {
    blake2b_.finish(digest);
    blake2b_ = Blake2b();
  } else {
    md4_.finish(digest);
    md4_ = Md4();
  }
}

}  // namespace ibt
