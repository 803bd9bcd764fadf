/* The float kernels for AVX2 with FMA and F16C. */
#include <immintrin.h>
#define ISA avx2
typedef float x16 __attribute__((vector_size(64)));
static inline __attribute__((always_inline)) x16 fused(x16 a, x16 b, x16 c) {
    __m256 p[2], q[2], r[2];
    __builtin_memcpy(p, &a, 64);
    __builtin_memcpy(q, &b, 64);
    __builtin_memcpy(r, &c, 64);
    r[0] = _mm256_fmadd_ps(p[0], q[0], r[0]);
    r[1] = _mm256_fmadd_ps(p[1], q[1], r[1]);
    __builtin_memcpy(&c, r, 64);
    return c;
}
static inline __attribute__((always_inline)) x16 halves(const unsigned char *p) {
    __m256 r[2] = {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                   _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16)))};
    x16 x;
    __builtin_memcpy(&x, r, 64);
    return x;
}
static inline __attribute__((always_inline)) void to_halves(unsigned char *p, x16 x) {
    __m256 r[2];
    __builtin_memcpy(r, &x, 64);
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(r[0], _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 16), _mm256_cvtps_ph(r[1], _MM_FROUND_TO_NEAREST_INT));
}
#define FMA fused
#define LOAD_F16 halves
#define STORE_F16 to_halves
#include "f32_body.h"
