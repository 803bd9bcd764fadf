/* Integer kernels for AVX-512 with VNNI and VBMI. ternary.h has the contract, README.md the layouts.
 *
 * A 64-byte load holds the same block of 128 columns of two neighbouring rows; the 32 activations of a plane are
 * broadcast to both halves. Fields are not shifted down: code * 4^s is at most 128, so `x & mask` is an unsigned operand
 * of vpdpbusd, sums of each scale are kept apart, and the scales come out at the end by exact shifts. A lane of the
 * largest scale grows by at most 4 * 128 * 127 = 65 024 a block: at k = 2^20 (8192 blocks) that is 5.3e8 < 2^31. */
#if defined(__x86_64__)
#include "ternary.h"

#include <immintrin.h>

/* The next weights, 8 KB ahead: past the pages the processor's own prefetcher would stop at. */
#define AHEAD 8192
#define UNROLL _Pragma("GCC unroll 16")

static inline __m512i plane(const int8_t *q) {
    return _mm512_broadcast_i64x4(_mm256_load_si256((const __m256i *)q));
}

/* Sums of the lanes of each half of v[0..3]: eight results, those of the two rows of v[0] first. */
static inline __m256i half_sums(__m512i v0, __m512i v1, __m512i v2, __m512i v3) {
    /* 128-bit lanes of a and b: [row, row, row', row'], two columns of partial sums for each of two vectors. */
    const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(v0, v1), _mm512_unpackhi_epi32(v0, v1));
    const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(v2, v3), _mm512_unpackhi_epi32(v2, v3));
    const __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m512i s = _mm512_add_epi32(c, _mm512_shuffle_i64x2(c, c, 0xB1)); /* lanes 0 and 2: sums of v0, v1, v2, v3 */
    const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, s));
}

/* One token, a group of 8 rows: 16 accumulators, no shift. */
static inline void gemv1(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, int32_t qsum, int32_t *d) {
    const __m512i m0 = _mm512_set1_epi8((char)0xC0), m1 = _mm512_set1_epi8(0x30), m2 = _mm512_set1_epi8(0x0C),
                  m3 = _mm512_set1_epi8(0x03);
    for (size_t g = 0; g < groups; g++) {
        __m512i a0[4], a1[4], a2[4], a3[4];
        UNROLL for (int i = 0; i < 4; i++) a0[i] = a1[i] = a2[i] = a3[i] = _mm512_setzero_si512();
        for (size_t b = 0; b < blocks; b++, w += 256) {
            const __m512i q0 = plane(q + b * 128), q1 = plane(q + b * 128 + 32), q2 = plane(q + b * 128 + 64),
                          q3 = plane(q + b * 128 + 96);
            UNROLL for (int i = 0; i < 4; i++) {
                _mm_prefetch((const char *)w + AHEAD + i * 64, _MM_HINT_T0);
                const __m512i x = _mm512_load_si512(w + i * 64);
                a0[i] = _mm512_dpbusd_epi32(a0[i], _mm512_and_si512(x, m0), q0);
                a1[i] = _mm512_dpbusd_epi32(a1[i], _mm512_and_si512(x, m1), q1);
                a2[i] = _mm512_dpbusd_epi32(a2[i], _mm512_and_si512(x, m2), q2);
                a3[i] = _mm512_dpbusd_epi32(a3[i], _mm512_and_si512(x, m3), q3);
            }
        }
        UNROLL for (int i = 0; i < 4; i++) {
            a0[i] = _mm512_add_epi32(_mm512_srai_epi32(a0[i], 6), _mm512_srai_epi32(a1[i], 4));
            a2[i] = _mm512_add_epi32(_mm512_srai_epi32(a2[i], 2), a3[i]);
            a0[i] = _mm512_add_epi32(a0[i], a2[i]);
        }
        const __m256i sums = half_sums(a0[0], a0[1], a0[2], a0[3]);
        _mm256_storeu_si256((__m256i *)(d + g * 8), _mm256_sub_epi32(sums, _mm256_set1_epi32(qsum)));
    }
}

void tern_i2_gemv_avx512(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                         const int32_t *qsum, int32_t *d, size_t ldd) {
    for (size_t t = 0; t < n; t++) gemv1(w, groups, k / 128, q + t * ldq, qsum[t], d + t * ldd);
}
#endif
