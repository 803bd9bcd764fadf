/* 2-bit kernels for AVX2. ternary.h has the contract, README.md the layout.
 *
 * vpmaddubsw adds two products in 16 bits with saturation: codes are at most 2 here (or 8, at scale 4), so a sum of two
 * is at most 2*2*127 = 508 (or 2032) and never saturates. Sums in 16 bits are folded into 32 before they could pass
 * 32767; each loop says after how many blocks. */
#if defined(__x86_64__)
#include "panel_avx2.h"
#include "peak.h"

/* One token, rows part .. part+3 of at most 16 blocks. Fields stay at one of two scales, 1 and 4, so that a shift serves
 * two of them. A lane of scale 4 grows by at most 2 * 2032 = 4064 a block: it is folded after 8 blocks, at most 32 512.
 * Totals are kept at scale 4 and grow by at most 4*2*8128 + 2*32512 = 130 048 each 8 blocks: 1.4e8 at k = 2^20. */
INLINE void chunk1(const uint8_t *w, size_t blocks, const int8_t *q, int part, __m256i total[8]) {
    const __m256i m1 = _mm256_set1_epi8(0x03), m4 = _mm256_set1_epi8(0x0C);
    const __m256i ones = _mm256_set1_epi16(1), fours = _mm256_set1_epi16(4);
    for (size_t b = 0; b < blocks;) {
        const size_t fold = blocks - b < 8 ? blocks : b + 8;
        __m256i a1[4], a4[4];
        UNROLL for (int i = 0; i < 4; i++) a1[i] = a4[i] = _mm256_setzero_si256();
        for (; b < fold; b++) {
            ask(w, blocks, part, 4, b);
            const uint8_t *at = w + b * 256 + part * 32;
            const int8_t *p = q + b * 128;
            UNROLL for (int i = 0; i < 4; i++) {
                const __m256i x = load(at + i * 32), y = _mm256_srli_epi32(x, 4);
                PAIRS_AT(a4[i], _mm256_and_si256(y, m4), p);
                PAIRS_AT(a1[i], _mm256_and_si256(y, m1), p + 32);
                PAIRS_AT(a4[i], _mm256_and_si256(x, m4), p + 64);
                PAIRS_AT(a1[i], _mm256_and_si256(x, m1), p + 96);
            }
        }
        UNROLL for (int i = 0; i < 4; i++) {
            const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(a1[i], fours), _mm256_madd_epi16(a4[i], ones));
            total[part + i] = _mm256_add_epi32(total[part + i], sum);
        }
    }
}

/* n tokens, rows part .. part+rows-1 of at most 16 blocks. Fields are shifted down: a lane grows by at most
 * 4 * 508 = 2032 a block, to 32 512. */
INLINE void chunk_n(const uint8_t *w, size_t blocks, const int8_t *q, size_t ldq, const int n, const int rows, int part,
                    __m256i (*total)[8]) {
    const __m256i low = _mm256_set1_epi8(0x03), ones = _mm256_set1_epi16(1);
    __m256i acc[8];
    UNROLL for (int i = 0; i < n * rows; i++) acc[i] = _mm256_setzero_si256();
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
                UNROLL for (int i = 0; i < rows; i++) PAIRS(acc[t * rows + i], codes[i], p);
            }
        }
    }
    UNROLL for (int i = 0; i < n * rows; i++) {
        __m256i *to = &total[i / rows][part + i % rows];
        *to = _mm256_add_epi32(*to, _mm256_madd_epi16(acc[i], ones));
    }
}

INLINE void gemv(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, size_t ldq, const int n,
                 const int rows, const int32_t *qsum, int32_t *d, size_t ldd) {
    for (size_t g = 0; g < groups; g++) {
        __m256i total[8][8];
        for (int t = 0; t < n; t++) {
            UNROLL for (int i = 0; i < 8; i++) total[t][i] = _mm256_setzero_si256();
        }
        for (size_t b = 0, now; b < blocks; b += now) {
            now = chunk_of(blocks - b, 16);
            for (int part = 0; part < 8; part += rows) {
                const int8_t *at = q + b * 128;
                if (n == 1) chunk1(w, now, at, part, total[0]);
                else if (n <= 4) chunk_n(w, now, at, ldq, n, rows, part, total);
                else {
                    /* Two rows of half the tokens share more than one row of all: 1.1 times as fast. */
                    const int half = (n + 1) / 2;
                    chunk_n(w, now, at, ldq, half, rows, part, total);
                    chunk_n(w, now, at + half * ldq, ldq, n - half, rows, part, total + half);
                }
            }
            w += now * 256;
        }
        if (n == 1) {
            UNROLL for (int i = 0; i < 8; i++) total[0][i] = _mm256_srai_epi32(total[0][i], 2);
        }
        for (int t = 0; t < n; t++) store_sums(d + t * ldd + g * 8, total[t], qsum[t]);
    }
}

void tern_i2_gemv_avx2(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                       const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = k / 128;
    switch (n) {
#define GEMV(n, rows)                                                                                                  \
    case n: gemv(w, groups, blocks, q, ldq, n, rows, qsum, d, ldd); break;
        GEMV(1, 4) GEMV(2, 4) GEMV(3, 2) GEMV(4, 2) GEMV(5, 2) GEMV(6, 2) GEMV(7, 2) GEMV(8, 2)
#undef GEMV
    }
}

void tern_i2_gemm_avx2(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                       const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    for (size_t g = 0; g < groups; g += 4) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        expand_i2(w + TERN_I2_BYTES(g, k), now, k / 128, scratch);
        panel_product(scratch, k / 4, q, ldq, n, qsum, d + g * 8, ldd, now * 8);
    }
}

#define FIRST(sum) _mm_cvtsi128_si32(_mm256_castsi256_si128(sum))
TERN_PEAK(tern_peak_avx2, __m256i, __m256i, _mm256_setzero_si256(), _mm256_set1_epi8, FIRST, PAIRS, 32)
#endif
