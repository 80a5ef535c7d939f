// For the kernels with AVX2. No flag of the compiler allows the instructions: each function that uses them says so.
#pragma once
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline
