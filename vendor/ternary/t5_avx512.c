/* 5 weights a byte, for AVX-512 with VNNI and VBMI. ternary.h has the contract, README.md the layout.
 *
 * A byte is t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4 <= 242. Subtracting 81 where that does not wrap, twice, leaves the lower four
 * digits, 0 .. 80: a table of two registers turns them into four 2-bit fields as in the 2-bit layout. What was
 * subtracted, 0, 81 or 162, ends in the bits of t4. From there on everything is as in i2_avx512.c, with 160 columns a
 * block; the fifth plane has scale 1. A lane grows by at most 65 024 a block of 160. */
#if defined(__x86_64__)
#include "avx512.h"

typedef struct {
    __m512i low, high, d81;
} Table;

/* Four digits in base 3, the lowest first, to four 2-bit fields from the highest bits down. */
#define FIELDS(i) ((i) % 3 << 6 | (i) / 3 % 3 << 4 | (i) / 9 % 3 << 2 | (i) / 27 % 3)
#define FIELDS4(i) FIELDS(i), FIELDS((i) + 1), FIELDS((i) + 2), FIELDS((i) + 3)
#define FIELDS16(i) FIELDS4(i), FIELDS4((i) + 4), FIELDS4((i) + 8), FIELDS4((i) + 12)
static const uint8_t DIGITS[128] __attribute__((aligned(64))) = {
    FIELDS16(0), FIELDS16(16), FIELDS16(32), FIELDS16(48), FIELDS16(64), FIELDS(80),
};

INLINE Table table(void) {
    return (Table){_mm512_load_si512(DIGITS), _mm512_load_si512(DIGITS + 64), _mm512_set1_epi8(81)};
}

/* Four digits of each byte as 2-bit fields; the fifth in the lowest two bits of *fifth, other bits undefined. */
INLINE __m512i digits(__m512i x, Table t, __m512i *fifth) {
    __m512i i = _mm512_min_epu8(x, _mm512_sub_epi8(x, t.d81));
    i = _mm512_min_epu8(i, _mm512_sub_epi8(i, t.d81));
    *fifth = _mm512_sub_epi8(x, i);
    return _mm512_permutex2var_epi8(t.low, i, t.high);
}

/* One token: 8 rows with 4 scales, 16 accumulators. */
static void gemv1(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, int32_t qsum, int32_t *d) {
    const Table t = table();
    const __m512i m0 = _mm512_set1_epi8((char)0xC0), m1 = _mm512_set1_epi8(0x30), m2 = _mm512_set1_epi8(0x0C),
                  m3 = _mm512_set1_epi8(0x03);
    for (size_t g = 0; g < groups; g++) {
        __m512i a0[4], a1[4], a2[4], a3[4];
        UNROLL for (int i = 0; i < 4; i++) a0[i] = a1[i] = a2[i] = a3[i] = _mm512_setzero_si512();
        for (size_t b = 0; b < blocks; b++, w += 256) {
            const int8_t *p = q + b * 160;
            const __m512i q0 = plane(p), q1 = plane(p + 32), q2 = plane(p + 64), q3 = plane(p + 96), q4 = plane(p + 128);
            UNROLL for (int i = 0; i < 4; i++) {
                PREFETCH(w + i * 64);
                __m512i fifth;
                const __m512i x = digits(_mm512_load_si512(w + i * 64), t, &fifth);
                DOT(a0[i], _mm512_and_si512(x, m0), q0);
                DOT(a1[i], _mm512_and_si512(x, m1), q1);
                DOT(a2[i], _mm512_and_si512(x, m2), q2);
                DOT(a3[i], _mm512_and_si512(x, m3), q3);
                DOT(a3[i], _mm512_and_si512(fifth, m3), q4);
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

/* n tokens and two pairs of rows at a time: fields are shifted down once, and one accumulator serves all planes. */
INLINE void gemv_n(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, size_t ldq, const int n,
                   const int32_t *qsum, int32_t *d, size_t ldd) {
    const Table tab = table();
    const __m512i m3 = _mm512_set1_epi8(0x03);
    for (size_t g = 0; g < groups; g++, w += blocks * 256) {
        for (int part = 0; part < 4; part += 2) {
            __m512i a[8], c[8];
            UNROLL for (int t = 0; t < n; t++) a[t] = c[t] = _mm512_setzero_si512();
            for (size_t b = 0; b < blocks; b++) {
                const uint8_t *at = w + b * 256 + part * 64;
                const int8_t *p = q + b * 160;
                __m512i x, y, x4, y4;
                PREFETCH(at);
                PREFETCH(at + 64);
                x = digits(_mm512_load_si512(at), tab, &x4);
                y = digits(_mm512_load_si512(at + 64), tab, &y4);
                x4 = _mm512_and_si512(x4, m3);
                y4 = _mm512_and_si512(y4, m3);
                UNROLL for (int t = 0; t < n; t++) {
                    const __m512i act = plane(p + t * ldq + 128);
                    DOT(a[t], x4, act);
                    DOT(c[t], y4, act);
                }
                UNROLL for (int f = 3; f >= 0; f--) {
                    const __m512i xf = _mm512_and_si512(x, m3), yf = _mm512_and_si512(y, m3);
                    UNROLL for (int t = 0; t < n; t++) {
                        const __m512i act = plane(p + t * ldq + f * 32);
                        DOT(a[t], xf, act);
                        DOT(c[t], yf, act);
                    }
                    x = _mm512_srli_epi32(x, 2);
                    y = _mm512_srli_epi32(y, 2);
                }
            }
            UNROLL for (int t = 0; t < n; t++) {
                const __m128i sums = _mm_sub_epi32(half_sums2(a[t], c[t]), _mm_set1_epi32(qsum[t]));
                _mm_storeu_si128((__m128i *)(d + t * ldd + g * 8 + part * 2), sums);
            }
        }
    }
}

void tern_t5_gemv_avx512(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                         const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = (k + 159) / 160;
    switch (n) {
    case 1: gemv1(w, groups, blocks, q, qsum[0], d); break;
#define GEMV(count)                                                                                                    \
    case count: gemv_n(w, groups, blocks, q, ldq, count, qsum, d, ldd); break;
        GEMV(2) GEMV(3) GEMV(4) GEMV(5) GEMV(6) GEMV(7) GEMV(8)
#undef GEMV
    }
}

void tern_t5_gemm_avx512(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                         const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    const size_t blocks = (k + 159) / 160, stride = blocks * 256;
    const Table tab = table();
    const __m512i low = _mm512_set1_epi8(0x03);
    for (size_t g = 0; g < groups; g += 4) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        for (size_t pair = 0; pair < now; pair += 2) {
            const uint8_t *first = w + (g + pair) * stride;
            /* A group that is not there gets some other's weights; its results are not written. */
            const uint8_t *second = pair + 1 < now ? first + stride : first;
            for (size_t b = 0; b < blocks; b++) {
                __m512i x[8];
                transpose2(first + b * 256, second + b * 256, x);
                uint8_t *to = scratch + b * 40 * 128 + pair * 32;
                UNROLL for (int i = 0; i < 8; i++) {
                    __m512i fifth, fields = digits(x[i], tab, &fifth);
                    _mm512_store_si512(to + (4 * 8 + i) * 128, _mm512_and_si512(fifth, low));
                    UNROLL for (int f = 3; f >= 0; f--) {
                        _mm512_store_si512(to + (f * 8 + i) * 128, _mm512_and_si512(fields, low));
                        fields = _mm512_srli_epi32(fields, 2);
                    }
                }
            }
        }
        panel_product(scratch, blocks * 40, q, ldq, n, qsum, d + g * 8, ldd, now * 8);
    }
}
#endif
