/* What the AVX-512 files share: the dot product, sums over lanes, and the tile of the gemms. Included by them alone. */
#ifndef TERN_TERNARY_AVX512_H
#define TERN_TERNARY_AVX512_H

#include "inner.h"

#include <immintrin.h>

/* Weights are asked for 4 KB before they are read; past the end of the matrix that does nothing. On Zen 4, with pages of
 * 2 MB, it makes no difference (34 GB/s of DRAM with it, 35 without): one stream in order is easily guessed. On Zen 5 it
 * did, 40 against 35. */
#define PREFETCH(at) _mm_prefetch((const char *)(at) + 4096, _MM_HINT_T0)

/* acc += codes (unsigned) . q (signed), four bytes a lane. Written as assembly because gcc 12 keeps the accumulators of a
 * loop with many of the intrinsics in two registers each, and spills. */
#define DOT(acc, codes, q) __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(q))

/* 32 activations, in both halves. */
INLINE __m512i plane(const int8_t *q) {
    return _mm512_broadcast_i64x4(_mm256_load_si256((const __m256i *)q));
}

/* Sums over the lanes of each half of v0 .. v3: eight results, those of the two halves of v0 first. */
INLINE __m256i half_sums(__m512i v0, __m512i v1, __m512i v2, __m512i v3) {
    const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(v0, v1), _mm512_unpackhi_epi32(v0, v1));
    const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(v2, v3), _mm512_unpackhi_epi32(v2, v3));
    /* Each 128-bit lane: one number of each vector; lanes 0 and 1 of one half, 2 and 3 of the other. */
    const __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m512i s = _mm512_add_epi32(c, _mm512_shuffle_i64x2(c, c, 0xB1));
    const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, s));
}

/* The same for two vectors: four results in the low half. */
INLINE __m128i half_sums2(__m512i v0, __m512i v1) {
    return _mm256_castsi256_si128(half_sums(v0, v1, v0, v1));
}

/* The 8 rows x 32 bytes of a block, by columns: out[i] = bytes 8i .. 8i+3 of the 8 rows, then bytes 8i+4 .. 8i+7. */
INLINE void transpose(const uint8_t *block, __m512i out[4]) {
    const __m512i low = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(4));
    const __m512i even = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(8));
    const __m512i r01 = _mm512_load_si512(block), r23 = _mm512_load_si512(block + 64),
                  r45 = _mm512_load_si512(block + 128), r67 = _mm512_load_si512(block + 192);
    const __m512i a = _mm512_permutex2var_epi32(r01, low, r23), b = _mm512_permutex2var_epi32(r45, low, r67);
    const __m512i c = _mm512_permutex2var_epi32(r01, high, r23), d = _mm512_permutex2var_epi32(r45, high, r67);
    out[0] = _mm512_permutex2var_epi32(a, even, b);
    out[1] = _mm512_permutex2var_epi32(a, odd, b);
    out[2] = _mm512_permutex2var_epi32(c, even, d);
    out[3] = _mm512_permutex2var_epi32(c, odd, d);
}

/* The same for two groups: out[i] = bytes 4i .. 4i+3 of 16 rows. */
INLINE void transpose2(const uint8_t *first, const uint8_t *second, __m512i out[8]) {
    __m512i a[4], b[4];
    transpose(first, a);
    transpose(second, b);
    UNROLL for (int i = 0; i < 4; i++) {
        out[2 * i] = _mm512_shuffle_i64x2(a[i], b[i], 0x44);
        out[2 * i + 1] = _mm512_shuffle_i64x2(a[i], b[i], 0xEE);
    }
}

/* Expands `blocks` blocks of `now` (1 to 4) groups of i2x8, whose first begins at w and each next `stride` bytes behind, into
 * a panel of codes [32 * blocks][32 rows][4 columns]. Rows of groups that are not there get some other's codes. */
INLINE void expand(const uint8_t *w, size_t stride, size_t now, size_t blocks, uint8_t *panel) {
    const __m512i low = _mm512_set1_epi8(0x03);
    for (size_t pair = 0; pair < now; pair += 2) {
        const uint8_t *first = w + pair * stride;
        const uint8_t *second = pair + 1 < now ? first + stride : first;
        for (size_t b = 0; b < blocks; b++) {
            __m512i x[8];
            transpose2(first + b * 256, second + b * 256, x);
            uint8_t *to = panel + b * 32 * 128 + pair * 32;
            UNROLL for (int f = 3; f >= 0; f--) {
                UNROLL for (int i = 0; i < 8; i++) {
                    _mm512_store_si512(to + (f * 8 + i) * 128, _mm512_and_si512(x[i], low));
                    x[i] = _mm512_srli_epi32(x[i], 2);
                }
            }
        }
    }
}

/* n <= 12 tokens times a panel of codes [steps][32 rows][4 columns]: 24 accumulators, 2 registers of weights, 1 of
 * activations. `rows` (8 to 32) of the results are written. A lane grows by at most 4 * 2 * 127 a step. */
INLINE void tile(const uint8_t *panel, size_t steps, const int8_t *q, size_t ldq, const int n, const int32_t *qsum,
                 int32_t *d, size_t ldd, size_t rows) {
    __m512i lower[12], upper[12];
    UNROLL for (int t = 0; t < n; t++) lower[t] = upper[t] = _mm512_set1_epi32(-qsum[t]);
    for (size_t s = 0; s < steps; s++) {
        const __m512i w0 = _mm512_load_si512(panel + s * 128), w1 = _mm512_load_si512(panel + s * 128 + 64);
        UNROLL for (int t = 0; t < n; t++) {
            const __m512i a = _mm512_set1_epi32(((const int32_t *)(q + t * ldq))[s]);
            DOT(lower[t], w0, a);
            DOT(upper[t], w1, a);
        }
    }
    const uint32_t mask = rows >= 32 ? 0xFFFFFFFFu : (1u << rows) - 1;
    UNROLL for (int t = 0; t < n; t++) {
        _mm512_mask_storeu_epi32(d + t * ldd, (__mmask16)mask, lower[t]);
        _mm512_mask_storeu_epi32(d + t * ldd + 16, (__mmask16)(mask >> 16), upper[t]);
    }
}

/* Any number of tokens times a panel, in tiles of about equal size. Not inlined: one copy for each file. */
static __attribute__((noinline, unused)) void panel_product(const uint8_t *panel, size_t steps, const int8_t *q, size_t ldq,
                                                    size_t n, const int32_t *qsum, int32_t *d, size_t ldd,
                                                    size_t rows) {
    for (size_t tiles = (n + 11) / 12; tiles > 0; tiles--) {
        const size_t now = n / tiles;
        switch (now) {
#define TILE(count)                                                                                                    \
    case count: tile(panel, steps, q, ldq, count, qsum, d, ldd, rows); break;
            TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#undef TILE
        }
        n -= now, q += now * ldq, qsum += now, d += now * ldd;
    }
}

#endif
