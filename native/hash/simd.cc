#include "simd.h"

#include <cstdlib>
#include <cstring>

namespace ibt {
namespace {

Simd choose() {
  const std::vector<Simd> levels = simd_levels();
  const char* wish = std::getenv("IBT_SIMD");
  if (wish == nullptr) return levels.back();
  for (Simd simd : levels) {
    if (std::strcmp(wish, simd_name(simd)) == 0) return simd;
  }
  return levels.back();
}

const Simd CHOSEN = choose();

}  // namespace

std::vector<Simd> simd_levels() {
  std::vector<Simd> levels = {Simd::portable};
#if defined(__x86_64__)
  // These look at the operating system too: whether it saves the wide registers.
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return levels;
  levels.push_back(Simd::avx2);
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vnni");
  if (avx512) levels.push_back(Simd::avx512);
#elif defined(__aarch64__)
  levels.push_back(Simd::neon);
#endif
  return levels;
}

Simd simd_chosen() { return CHOSEN; }

const char* simd_name(Simd simd) {
  switch (simd) {
    case Simd::avx2:
      return "avx2";
    case Simd::avx512:
      return "avx512";
    case Simd::neon:
      return "neon";
    default:
      return "portable";
  }
}

}  // namespace ibt
