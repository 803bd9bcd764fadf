/* 2-bit kernels for AVX-VNNI: vpdpbusd on 256 bits. ternary.h has the contract, README.md the layout.
 *
 * For one token fields stay at one of two scales, 1 and 4, so that a shift serves two of them; a lane of the larger grows
 * by at most 2 * 4 * 8 * 127 = 8128 a block: 6.7e7 at k = 2^20. For more tokens all fields are shifted down. */
#if defined(__x86_64__)
#include "ymm.h"
#include "peak.h"

/* acc += codes (unsigned) . q (signed), four bytes a lane; q in a register or in memory. Assembly for two reasons: gcc 12
 * spills accumulators that intrinsics update in a loop, and the tests run this file on processors that have the
 * instruction only as EVEX. */
#ifdef TERN_VNNI_AS_EVEX
#define VPDPBUSD "%{evex%} vpdpbusd %2, %1, %0"
#else
#define VPDPBUSD "%{vex%} vpdpbusd %2, %1, %0"
#endif
#define DOT(acc, codes, q) __asm__(VPDPBUSD : "+x"(acc) : "x"(codes), "x"(q))
#define DOT_AT(acc, codes, q) __asm__(VPDPBUSD : "+x"(acc) : "x"(codes), "m"(*(const __m256i *)(q)))

/* One token, rows part .. part+3 of `blocks` blocks. */
INLINE void chunk1(const uint8_t *w, size_t blocks, const int8_t *q, int part, __m256i total[8]) {
    const __m256i m1 = _mm256_set1_epi8(0x03), m4 = _mm256_set1_epi8(0x0C);
    __m256i a1[4], a4[4];
    UNROLL for (int i = 0; i < 4; i++) a1[i] = a4[i] = _mm256_setzero_si256();
    for (size_t b = 0; b < blocks; b++) {
        ask(w, blocks, part, 4, b);
        const uint8_t *at = w + b * 256 + part * 32;
        const int8_t *p = q + b * 128;
        UNROLL for (int i = 0; i < 4; i++) {
            const __m256i x = load(at + i * 32), y = _mm256_srli_epi32(x, 4);
            DOT_AT(a4[i], _mm256_and_si256(y, m4), p);
            DOT_AT(a1[i], _mm256_and_si256(y, m1), p + 32);
            DOT_AT(a4[i], _mm256_and_si256(x, m4), p + 64);
            DOT_AT(a1[i], _mm256_and_si256(x, m1), p + 96);
        }
    }
    UNROLL for (int i = 0; i < 4; i++) {
        const __m256i sum = _mm256_add_epi32(a1[i], _mm256_srai_epi32(a4[i], 2));
        total[part + i] = _mm256_add_epi32(total[part + i], sum);
    }
}

/* n tokens, rows part .. part+rows-1 of `blocks` blocks. */
INLINE void chunk_n(const uint8_t *w, size_t blocks, const int8_t *q, size_t ldq, const int n, const int rows, int part,
                    __m256i (*total)[8]) {
    const __m256i low = _mm256_set1_epi8(0x03);
    __m256i acc[12];
    UNROLL for (int i = 0; i < n * rows; i++) acc[i] = total[i / rows][part + i % rows];
    for (size_t b = 0; b < blocks; b++) {
        ask(w, blocks, part, rows, b);
        __m256i x[4];
        UNROLL for (int i = 0; i < rows; i++) x[i] = load(w + b * 256 + (part + i) * 32);
        UNROLL for (int f = 3; f >= 0; f--) {
            __m256i codes[4];
            UNROLL for (int i = 0; i < rows; i++) {
                codes[i] = _mm256_and_si256(x[i], low);
                x[i] = _mm256_srli_epi32(x[i], 2);
            }
            UNROLL for (int t = 0; t < n; t++) {
                const __m256i p = load(q + t * ldq + b * 128 + f * 32);
                UNROLL for (int i = 0; i < rows; i++) DOT(acc[t * rows + i], codes[i], p);
            }
        }
    }
    UNROLL for (int i = 0; i < n * rows; i++) total[i / rows][part + i % rows] = acc[i];
}

INLINE void gemv(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, size_t ldq, const int n,
                 const int rows, const int32_t *qsum, int32_t *d, size_t ldd) {
    for (size_t g = 0; g < groups; g++) {
        __m256i total[8][8] = {{{0}}};
        for (size_t b = 0, now; b < blocks; b += now) {
            now = chunk_of(blocks - b, rows == 4 ? 16 : 4);
            for (int part = 0; part < 8; part += rows) {
                if (n == 1) chunk1(w, now, q + b * 128, part, total[0]);
                else chunk_n(w, now, q + b * 128, ldq, n, rows, part, total);
            }
            w += now * 256;
        }
        for (int t = 0; t < n; t++) store_sums(d + t * ldd + g * 8, total[t], qsum[t]);
    }
}

void tern_i2_gemv_avxvnni(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                          const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = k / 128;
    switch (n) {
#define GEMV(n, rows)                                                                                                  \
    case n: gemv(w, groups, blocks, q, ldq, n, rows, qsum, d, ldd); break;
        GEMV(1, 4) GEMV(2, 4) GEMV(3, 2) GEMV(4, 2) GEMV(5, 2) GEMV(6, 1) GEMV(7, 1) GEMV(8, 1)
#undef GEMV
    }
}

/* n <= 6 tokens times 16 rows of a panel: 12 accumulators. A lane grows by at most 4 * 2 * 127 a step. */
INLINE void tile(const uint8_t *panel, size_t steps, const int8_t *q, size_t ldq, const int n, const int32_t *qsum,
                 int32_t *d, size_t ldd, size_t rows) {
    __m256i lower[6], upper[6];
    UNROLL for (int t = 0; t < n; t++) lower[t] = upper[t] = _mm256_set1_epi32(-qsum[t]);
    for (size_t s = 0; s < steps; s++) {
        const __m256i w0 = load(panel + s * 128), w1 = load(panel + s * 128 + 32);
        UNROLL for (int t = 0; t < n; t++) {
            const __m256i a = four(q + t * ldq, s);
            DOT(lower[t], w0, a);
            DOT(upper[t], w1, a);
        }
    }
    UNROLL for (int t = 0; t < n; t++) {
        _mm256_storeu_si256((__m256i *)(d + t * ldd), lower[t]);
        if (rows > 8) _mm256_storeu_si256((__m256i *)(d + t * ldd + 8), upper[t]);
    }
}

void tern_i2_gemm_avxvnni(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                          const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    for (size_t g = 0; g < groups; g += 4) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        expand_i2(w + TERN_I2_BYTES(g, k), now, k / 128, scratch);
        for (size_t t = 0, tiles = (n + 5) / 6; tiles > 0; tiles--) {
            const size_t tokens = (n - t) / tiles;
            for (size_t pair = 0; pair < now; pair += 2) {
                const uint8_t *panel = scratch + pair * 32;
                int32_t *to = d + t * ldd + (g + pair) * 8;
                switch (tokens) {
#define TILE(count)                                                                                                    \
    case count: tile(panel, k / 4, q + t * ldq, ldq, count, qsum + t, to, ldd, (now - pair) * 8); break;
                    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#undef TILE
                }
            }
            t += tokens;
        }
    }
}

#define FIRST(sum) _mm_cvtsi128_si32(_mm256_castsi256_si128(sum))
TERN_PEAK(tern_peak_avxvnni, __m256i, __m256i, _mm256_setzero_si256(), _mm256_set1_epi8, FIRST, DOT, 32)
#endif
