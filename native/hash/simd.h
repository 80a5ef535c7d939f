// Which vector instructions the kernels may use.
#pragma once
#include <vector>

namespace ibt {

enum class Simd {
  portable,
  avx2,
  // F, BW, DQ, VL and VNNI: Cascade Lake, Ice Lake, Zen 4 and later.
  avx512,
  // Of ARM64, which always has it.
  neon,
};

// What the processor and the operating system support, the best last.
std::vector<Simd> simd_levels();

// The best, or the one that the environment variable IBT_SIMD names, if it is there (for tests and benchmarks). Read
// once, when the library is loaded: no thread can change the environment meanwhile.
Simd simd_chosen();

const char* simd_name(Simd simd);

}  // namespace ibt
