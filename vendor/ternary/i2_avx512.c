/* 2-bit kernels for AVX-512 with VNNI. ternary.h has the contract, README.md the layout.
 *
 * A 64-byte load holds a block of 128 columns of two neighbouring rows; the 32 activations of a plane are broadcast to
 * both halves. For one and two tokens fields are not shifted down: code * 4^s is at most 128, so `x & mask` is an
 * unsigned operand of vpdpbusd, the sums of each scale are kept apart, and the scales come out at the end by shifts,
 * which are exact. A lane of the largest scale grows by at most 4 * 128 * 127 = 65 024 a block: 5.4e8 at k = 2^20. */
#if defined(__x86_64__)
#include "avx512.h"
#include "peak.h"

/* One token: 8 rows with 4 scales, 16 accumulators. */
static void gemv1(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, int32_t qsum, int32_t *d) {
    const __m512i m0 = _mm512_set1_epi8((char)0xC0), m1 = _mm512_set1_epi8(0x30), m2 = _mm512_set1_epi8(0x0C),
                  m3 = _mm512_set1_epi8(0x03);
    for (size_t g = 0; g < groups; g++) {
        __m512i a0[4], a1[4], a2[4], a3[4];
        UNROLL for (int i = 0; i < 4; i++) a0[i] = a1[i] = a2[i] = a3[i] = _mm512_setzero_si512();
        for (size_t b = 0; b < blocks; b++, w += 256) {
            const __m512i q0 = plane(q + b * 128), q1 = plane(q + b * 128 + 32), q2 = plane(q + b * 128 + 64),
                          q3 = plane(q + b * 128 + 96);
            UNROLL for (int i = 0; i < 4; i++) {
                PREFETCH(w + i * 64);
                const __m512i x = _mm512_load_si512(w + i * 64);
                DOT(a0[i], _mm512_and_si512(x, m0), q0);
                DOT(a1[i], _mm512_and_si512(x, m1), q1);
                DOT(a2[i], _mm512_and_si512(x, m2), q2);
                DOT(a3[i], _mm512_and_si512(x, m3), q3);
            }
        }
        UNROLL for (int i = 0; i < 4; i++) {
            a0[i] = _mm512_add_epi32(_mm512_srai_epi32(a0[i], 6), _mm512_srai_epi32(a1[i], 4));
            a0[i] = _mm512_add_epi32(a0[i], _mm512_add_epi32(_mm512_srai_epi32(a2[i], 2), a3[i]));
        }
        const __m256i sums = half_sums(a0[0], a0[1], a0[2], a0[3]);
        _mm256_storeu_si256((__m256i *)(d + g * 8), _mm256_sub_epi32(sums, _mm256_set1_epi32(qsum)));
    }
}

/* Two tokens: one shift leaves two scales, 16 accumulators again. */
static void gemv2(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, size_t ldq, const int32_t *qsum,
                  int32_t *d, size_t ldd) {
    const __m512i m2 = _mm512_set1_epi8(0x0C), m3 = _mm512_set1_epi8(0x03);
    const int8_t *r = q + ldq;
    for (size_t g = 0; g < groups; g++) {
        __m512i a1[4], a4[4], b1[4], b4[4];
        UNROLL for (int i = 0; i < 4; i++) a1[i] = a4[i] = b1[i] = b4[i] = _mm512_setzero_si512();
        for (size_t b = 0; b < blocks; b++, w += 256) {
            __m512i x[4];
            UNROLL for (int i = 0; i < 4; i++) {
                PREFETCH(w + i * 64);
                x[i] = _mm512_load_si512(w + i * 64);
            }
            /* f = 1, 0: planes 3 and 2 from the low halves of the bytes, then 1 and 0 from the high ones. */
            UNROLL for (int f = 1; f >= 0; f--) {
                const __m512i q1 = plane(q + b * 128 + f * 64 + 32), q4 = plane(q + b * 128 + f * 64);
                const __m512i r1 = plane(r + b * 128 + f * 64 + 32), r4 = plane(r + b * 128 + f * 64);
                UNROLL for (int i = 0; i < 4; i++) {
                    const __m512i one = _mm512_and_si512(x[i], m3), four = _mm512_and_si512(x[i], m2);
                    DOT(a1[i], one, q1);
                    DOT(b1[i], one, r1);
                    DOT(a4[i], four, q4);
                    DOT(b4[i], four, r4);
                    if (f == 1) x[i] = _mm512_srli_epi32(x[i], 4);
                }
            }
        }
        UNROLL for (int i = 0; i < 4; i++) {
            a1[i] = _mm512_add_epi32(a1[i], _mm512_srai_epi32(a4[i], 2));
            b1[i] = _mm512_add_epi32(b1[i], _mm512_srai_epi32(b4[i], 2));
        }
        const __m256i a = half_sums(a1[0], a1[1], a1[2], a1[3]), c = half_sums(b1[0], b1[1], b1[2], b1[3]);
        _mm256_storeu_si256((__m256i *)(d + g * 8), _mm256_sub_epi32(a, _mm256_set1_epi32(qsum[0])));
        _mm256_storeu_si256((__m256i *)(d + ldd + g * 8), _mm256_sub_epi32(c, _mm256_set1_epi32(qsum[1])));
    }
}

/* n tokens and `loads` pairs of rows at a time: fields are shifted down once, and one accumulator serves all planes. */
INLINE void gemv_n(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, size_t ldq, const int n,
                   const int loads, const int32_t *qsum, int32_t *d, size_t ldd) {
    const __m512i low = _mm512_set1_epi8(0x03);
    for (size_t g = 0; g < groups; g++, w += blocks * 256) {
        for (int part = 0; part < 4; part += loads) {
            __m512i acc[20];
            UNROLL for (int i = 0; i < n * loads; i++) acc[i] = _mm512_setzero_si512();
            for (size_t b = 0; b < blocks; b++) {
                __m512i x[4];
                UNROLL for (int i = 0; i < loads; i++) {
                    const uint8_t *at = w + b * 256 + (part + i) * 64;
                    PREFETCH(at);
                    x[i] = _mm512_load_si512(at);
                }
                UNROLL for (int f = 3; f >= 0; f--) {
                    __m512i codes[4];
                    UNROLL for (int i = 0; i < loads; i++) {
                        codes[i] = _mm512_and_si512(x[i], low);
                        if (f > 0) x[i] = _mm512_srli_epi32(x[i], 2);
                    }
                    UNROLL for (int t = 0; t < n; t++) {
                        const __m512i p = plane(q + t * ldq + b * 128 + f * 32);
                        UNROLL for (int i = 0; i < loads; i++) DOT(acc[t * loads + i], codes[i], p);
                    }
                }
            }
            UNROLL for (int t = 0; t < n; t++) {
                int32_t *to = d + t * ldd + g * 8 + part * 2;
                if (loads == 4) {
                    const __m256i sums = half_sums(acc[t * 4], acc[t * 4 + 1], acc[t * 4 + 2], acc[t * 4 + 3]);
                    _mm256_storeu_si256((__m256i *)to, _mm256_sub_epi32(sums, _mm256_set1_epi32(qsum[t])));
                } else {
                    const __m128i sums = half_sums2(acc[t * 2], acc[t * 2 + 1]);
                    _mm_storeu_si128((__m128i *)to, _mm_sub_epi32(sums, _mm_set1_epi32(qsum[t])));
                }
            }
        }
    }
}

void tern_i2_gemv_avx512(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                         const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = k / 128;
    switch (n) {
    case 1: gemv1(w, groups, blocks, q, qsum[0], d); break;
    case 2: gemv2(w, groups, blocks, q, ldq, qsum, d, ldd); break;
    case 3: gemv_n(w, groups, blocks, q, ldq, 3, 4, qsum, d, ldd); break;
    case 4: gemv_n(w, groups, blocks, q, ldq, 4, 4, qsum, d, ldd); break;
    case 5: gemv_n(w, groups, blocks, q, ldq, 5, 4, qsum, d, ldd); break;
    case 6: gemv_n(w, groups, blocks, q, ldq, 6, 2, qsum, d, ldd); break;
    case 7: gemv_n(w, groups, blocks, q, ldq, 7, 2, qsum, d, ldd); break;
    case 8: gemv_n(w, groups, blocks, q, ldq, 8, 2, qsum, d, ldd); break;
    }
}

void tern_i2_gemm_avx512(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                         const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    const size_t blocks = k / 128, stride = blocks * 256;
    for (size_t g = 0; g < groups; g += 4) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        expand(w + g * stride, stride, now, blocks, scratch);
        panel_product(scratch, k / 4, q, ldq, n, qsum, d + g * 8, ldd, now * 8);
    }
}

#define FIRST(sum) _mm_cvtsi128_si32(_mm512_castsi512_si128(sum))
TERN_PEAK(tern_peak_avx512, __m512i, __m512i, _mm512_setzero_si512(), _mm512_set1_epi8, FIRST, DOT, 64)
#endif
