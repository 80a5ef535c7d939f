#include "simd.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace ibt {
namespace {

constexpr Simd ALL[] = {Simd::portable, Simd::avx2, Simd::avx512};

Simd choose() {
  const Simd best = simd_available();
  const char* wish = std::getenv("IBT_SIMD");
  if (wish == nullptr) return best;
  for (Simd simd : ALL) {
    if (std::strcmp(wish, simd_name(simd)) == 0) return std::min(simd, best);
  }
  return best;
}

const Simd CHOSEN = choose();

}  // namespace

Simd simd_available() {
#if defined(__x86_64__)
  // These look at the operating system too: whether it saves the wide registers.
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return Simd::portable;
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vnni");
  return avx512 ? Simd::avx512 : Simd::avx2;
#else
  return Simd::portable;
#endif
}

Simd simd_chosen() { return CHOSEN; }

const char* simd_name(Simd simd) {
  return simd == Simd::avx512 ? "avx512" : simd == Simd::avx2 ? "avx2" : "portable";
}

}  // namespace ibt
