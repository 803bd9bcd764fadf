/* The float kernels for AVX-512. */
#include <immintrin.h>
#define ISA avx512
typedef float x16 __attribute__((vector_size(64)));
static inline __attribute__((always_inline)) x16 fused(x16 a, x16 b, x16 c) {
    return (x16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
static inline __attribute__((always_inline)) x16 halves(const unsigned char *p) {
    return (x16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline __attribute__((always_inline)) void to_halves(unsigned char *p, x16 x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}
#define FMA fused
#define LOAD_F16 halves
#define STORE_F16 to_halves
#include "f32_body.h"
