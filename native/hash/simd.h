// Which vector instructions the kernels may use.
#pragma once

namespace ibt {

enum class Simd {
  portable,
  avx2,
  // F, BW, DQ, VL and VNNI: Cascade Lake, Ice Lake, Zen 4 and later.
  avx512,
};

// The best that the processor and the operating system support.
Simd simd_available();

// That, or less if the environment variable IBT_SIMD is portable, avx2 or avx512 (for tests and benchmarks). Read once,
// when the library is loaded: no thread can change the environment meanwhile.
Simd simd_chosen();

const char* simd_name(Simd simd);

}  // namespace ibt
