/* The tile of the AVX2 gemms. Included by their files alone. */
#ifndef TERN_TERNARY_PANEL_AVX2_H
#define TERN_TERNARY_PANEL_AVX2_H

#include "ymm.h"

/* acc += pairs of codes (unsigned) . q (signed), two products a lane, 16 bits. Assembly because gcc 12 spills with the
 * intrinsics: it computes products earlier than they are added. */
#define PAIRS(acc, codes, q)                                                                                           \
    do {                                                                                                               \
        __m256i product;                                                                                               \
        __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(acc), "=&x"(product) : "x"(codes), "x"(q));        \
    } while (0)

/* The same with q in memory, where registers are short. */
#define PAIRS_AT(acc, codes, q)                                                                                        \
    do {                                                                                                               \
        __m256i product;                                                                                               \
        __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"                                                           \
                : "+x"(acc), "=&x"(product)                                                                            \
                : "x"(codes), "m"(*(const __m256i *)(q)));                                                             \
    } while (0)

/* n <= 6 tokens times 16 rows of a panel: 12 sums. A 16-bit lane grows by at most 2*2*127 = 508 a step and is folded
 * after 64 steps, at most 32 512. */
INLINE void tile(const uint8_t *panel, size_t steps, const int8_t *q, size_t ldq, const int n, const int32_t *qsum,
                 int32_t *d, size_t ldd, size_t rows) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i lower[6], upper[6];
    UNROLL for (int t = 0; t < n; t++) lower[t] = upper[t] = _mm256_set1_epi32(-qsum[t]);
    for (size_t s = 0; s < steps;) {
        const size_t fold = steps - s < 64 ? steps : s + 64;
        __m256i a[6], b[6];
        UNROLL for (int t = 0; t < n; t++) a[t] = b[t] = _mm256_setzero_si256();
        for (; s < fold; s++) {
            const __m256i w0 = load(panel + s * 128), w1 = load(panel + s * 128 + 32);
            UNROLL for (int t = 0; t < n; t++) {
                const __m256i act = four(q + t * ldq, s);
                PAIRS(a[t], w0, act);
                PAIRS(b[t], w1, act);
            }
        }
        UNROLL for (int t = 0; t < n; t++) {
            lower[t] = _mm256_add_epi32(lower[t], _mm256_madd_epi16(a[t], ones));
            upper[t] = _mm256_add_epi32(upper[t], _mm256_madd_epi16(b[t], ones));
        }
    }
    UNROLL for (int t = 0; t < n; t++) {
        _mm256_storeu_si256((__m256i *)(d + t * ldd), lower[t]);
        if (rows > 8) _mm256_storeu_si256((__m256i *)(d + t * ldd + 8), upper[t]);
    }
}

/* Any number of tokens times a panel of `rows` (8 to 32) rows, in tiles of about equal size. */
static __attribute__((noinline, unused)) void panel_product(const uint8_t *panel, size_t steps, const int8_t *q,
                                                         size_t ldq, size_t n, const int32_t *qsum, int32_t *d,
                                                         size_t ldd, size_t rows) {
    for (size_t tiles = (n + 5) / 6; tiles > 0; tiles--) {
        const size_t now = n / tiles;
        for (size_t r = 0; r < rows; r += 16) {
            switch (now) {
#define TILE(count)                                                                                                    \
    case count: tile(panel + r * 4, steps, q, ldq, count, qsum, d + r, ldd, rows - r); break;
                TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#undef TILE
            }
        }
        n -= now, q += now * ldq, qsum += now, d += now * ldd;
    }
}

#endif
