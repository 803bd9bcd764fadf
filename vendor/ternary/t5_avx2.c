/* 5 weights a byte, for AVX2. ternary.h has the contract, README.md the layout.
 *
 * A byte is t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4 <= 242. Subtracting 81 where that does not wrap, twice, takes the highest
 * digit off, and so on for 27 and 9; what is left, 0 .. 8, is looked up. What was subtracted becomes its digit: 81, 162
 * and 9, 18 end in the bits 01, 10; for 27, 54 it is looked up. 27 instructions for 160 columns, against 13 for 128 of
 * the 2-bit layout: worth it only where memory is slow. */
#if defined(__x86_64__)
#include "panel_avx2.h"

/* x - step where that does not wrap, twice: x modulo step, for x < 3 * step. */
INLINE __m256i modulo(__m256i x, char step) {
    const __m256i s = _mm256_set1_epi8(step);
    x = _mm256_min_epu8(x, _mm256_sub_epi8(x, s));
    return _mm256_min_epu8(x, _mm256_sub_epi8(x, s));
}

/* The five digits of each byte. */
INLINE void digits(__m256i x, __m256i t[5]) {
    const __m256i low = _mm256_set1_epi8(0x03);
    const __m256i of27 = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0));
    const __m256i of8 = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 0, 0, 0, 0, 0, 0, 0));
    const __m256i i = modulo(x, 81), j = modulo(i, 27), l = modulo(j, 9);
    const __m256i pair = _mm256_shuffle_epi8(of8, l); /* t1 in bits 3..2, t0 in bits 1..0 */
    t[0] = _mm256_and_si256(pair, low);
    t[1] = _mm256_and_si256(_mm256_srli_epi32(pair, 2), low);
    t[2] = _mm256_and_si256(_mm256_sub_epi8(j, l), low);
    t[3] = _mm256_shuffle_epi8(of27, _mm256_sub_epi8(i, j));
    t[4] = _mm256_and_si256(_mm256_sub_epi8(x, i), low);
}

/* n tokens, rows part .. part+rows-1 of a chunk of 4 blocks. A 16-bit lane grows by at most 5 * 508 = 2540 a block. */
INLINE void chunk_n(const uint8_t *w, size_t blocks, const int8_t *q, size_t ldq, const int n, const int rows, int part,
                    __m256i (*total)[8]) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i acc[8];
    UNROLL for (int i = 0; i < n * rows; i++) acc[i] = _mm256_setzero_si256();
    for (size_t b = 0; b < blocks; b++) {
        ask(w, blocks, part, rows, b);
        UNROLL for (int i = 0; i < rows; i++) {
            __m256i t[5];
            digits(load(w + b * 256 + (part + i) * 32), t);
            UNROLL for (int f = 0; f < 5; f++) {
                UNROLL for (int u = 0; u < n; u++) PAIRS_AT(acc[u * rows + i], t[f], q + u * ldq + b * 160 + f * 32);
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
        __m256i total[8][8] = {{{0}}};
        for (size_t b = 0, now; b < blocks; b += now) {
            now = chunk_of(blocks - b, 4);
            for (int part = 0; part < 8; part += rows) chunk_n(w, now, q + b * 160, ldq, n, rows, part, total);
            w += now * 256;
        }
        for (int t = 0; t < n; t++) store_sums(d + t * ldd + g * 8, total[t], qsum[t]);
    }
}

void tern_t5_gemv_avx2(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                       const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = (k + 159) / 160;
    switch (n) {
#define GEMV(n, rows)                                                                                                  \
    case n: gemv(w, groups, blocks, q, ldq, n, rows, qsum, d, ldd); break;
        GEMV(1, 2) GEMV(2, 2) GEMV(3, 2) GEMV(4, 1) GEMV(5, 1) GEMV(6, 1) GEMV(7, 1) GEMV(8, 1)
#undef GEMV
    }
}

void tern_t5_gemm_avx2(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                       const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    const size_t blocks = (k + 159) / 160;
    for (size_t g = 0; g < groups; g += 4) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        for (size_t i = 0; i < now; i++) {
            for (size_t b = 0; b < blocks; b++, w += 256) {
                __m256i x[8], t[5];
                transpose(w, x);
                uint8_t *to = scratch + b * 40 * 128 + i * 32;
                for (int c = 0; c < 8; c++) {
                    digits(x[c], t);
                    UNROLL for (int f = 0; f < 5; f++) _mm256_store_si256((__m256i *)(to + (f * 8 + c) * 128), t[f]);
                }
            }
        }
        panel_product(scratch, blocks * 40, q, ldq, n, qsum, d + g * 8, ldd, now * 8);
    }
}
#endif
