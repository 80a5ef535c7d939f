// From descriptor to descriptor, in bounded memory.
#pragma once
#include "../engine.h"
#include "cancel.h"

namespace ibt {

struct JobStats {
  uint64_t in_bytes;
  uint64_t out_bytes;
};

struct SignatureChoice {
  Weak weak;
  Strong strong;
  int64_t block_len;
  int64_t strong_len;
};

// On as many threads as are given, with one buffer each; the output does not depend on how many.
JobStats signature_file(int in, int out, const SignatureChoice& choice, size_t threads, const CancelToken& cancel);
JobStats delta_file(int signature, int in, int out, size_t threads, const CancelToken& cancel);
JobStats patch_file(int basis, int delta, int out, size_t threads, const CancelToken& cancel);

}  // namespace ibt
