/* Products that skip what is zero, for AVX2. ternary.h has the contract, README.md the layouts. */
#if defined(__x86_64__)
#include "panel_avx2.h"

/* Four rows of the list at a time, the rows 16 later asked for meanwhile; bounds as in i2_avx2.c: a 16-bit lane of scale 4 is folded after 8 blocks. */
void tern_i2_rows_avx2(const uint8_t *w, size_t k, const uint32_t *list, size_t count, const int8_t *q, int32_t qsum,
                       int32_t *d) {
    const __m256i m1 = _mm256_set1_epi8(0x03), m4 = _mm256_set1_epi8(0x0C);
    const __m256i ones = _mm256_set1_epi16(1), fours = _mm256_set1_epi16(4);
    const size_t bytes = k / 4;
    for (size_t i = 0; i < count; i += 4) {
        const uint8_t *row[4], *later[4];
        __m256i total[4];
        UNROLL for (int r = 0; r < 4; r++) {
            row[r] = w + list[i + r < count ? i + r : count - 1] * bytes;
            later[r] = w + list[i + r + 16 < count ? i + r + 16 : count - 1] * bytes;
            total[r] = _mm256_setzero_si256();
        }
        for (size_t b = 0; b < bytes;) {
            const size_t fold = bytes - b < 8 * 32 ? bytes : b + 8 * 32;
            __m256i a1[4], a4[4];
            UNROLL for (int r = 0; r < 4; r++) a1[r] = a4[r] = _mm256_setzero_si256();
            for (; b < fold; b += 32) {
                const int8_t *p = q + b * 4;
                UNROLL for (int r = 0; r < 4; r++) {
                    if (b % 64 == 0) _mm_prefetch((const char *)later[r] + b, _MM_HINT_T1);
                    const __m256i x = load(row[r] + b), y = _mm256_srli_epi32(x, 4);
                    PAIRS_AT(a4[r], _mm256_and_si256(y, m4), p);
                    PAIRS_AT(a1[r], _mm256_and_si256(y, m1), p + 32);
                    PAIRS_AT(a4[r], _mm256_and_si256(x, m4), p + 64);
                    PAIRS_AT(a1[r], _mm256_and_si256(x, m1), p + 96);
                }
            }
            UNROLL for (int r = 0; r < 4; r++) {
                const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(a1[r], fours), _mm256_madd_epi16(a4[r], ones));
                total[r] = _mm256_add_epi32(total[r], sum);
            }
        }
        int32_t sums[4];
        _mm_storeu_si128((__m128i *)sums, _mm_srai_epi32(lane_sums(total[0], total[1], total[2], total[3]), 2));
        for (size_t r = 0; r < 4 && i + r < count; r++) d[i + r] = sums[r] - qsum;
    }
}

/* Four columns of the list at a time, interleaved, 128 rows (two fields of a piece's 256) of 32 bytes in a pass: 8 sums.
 * A 16-bit lane grows by at most 508 for four columns and is folded after 64 times, at most 32 512. `ask` pieces of columns 16 later are asked for: the
 * first pass brings what all later ones find in L2. */
INLINE void half_piece(const uint8_t *w, size_t stride, const uint32_t *list, size_t count, const int8_t *q,
                       int32_t qsum, const int low, size_t ask, int32_t *d) {
    const __m256i mask = _mm256_set1_epi8(0x03), ones = _mm256_set1_epi16(1);
    __m256i total[2][4];
    UNROLL for (int i = 0; i < 8; i++) total[i / 4][i % 4] = _mm256_set1_epi32(-qsum);
    for (size_t i = 0; i < count;) {
        const size_t fold = count - i < 256 ? count : i + 256;
        __m256i a[2][4];
        UNROLL for (int v = 0; v < 8; v++) a[v / 4][v % 4] = _mm256_setzero_si256();
        for (; i < fold; i += 4) {
            for (int c = 0; ask > 0 && c < 4; c++) {
                const uint8_t *later = w + list[i + 16 + c < count ? i + 16 + c : count - 1] * stride;
                for (size_t p = 0; p < ask; p++) _mm_prefetch((const char *)later + p * 64, _MM_HINT_T1);
            }
            const __m256i x0 = load(w + list[i] * stride), x1 = load(w + list[i + 1] * stride),
                          x2 = load(w + list[i + 2] * stride), x3 = load(w + list[i + 3] * stride);
            const __m256i lo01 = _mm256_unpacklo_epi8(x0, x1), hi01 = _mm256_unpackhi_epi8(x0, x1);
            const __m256i lo23 = _mm256_unpacklo_epi8(x2, x3), hi23 = _mm256_unpackhi_epi8(x2, x3);
            const __m256i x[4] = {_mm256_unpacklo_epi16(lo01, lo23), _mm256_unpackhi_epi16(lo01, lo23),
                                  _mm256_unpacklo_epi16(hi01, hi23), _mm256_unpackhi_epi16(hi01, hi23)};
            const __m256i act = four(q, i / 4);
            UNROLL for (int v = 0; v < 4; v++) {
                PAIRS(a[0][v], _mm256_and_si256(_mm256_srli_epi32(x[v], low ? 2 : 6), mask), act);
                PAIRS(a[1][v], _mm256_and_si256(low ? x[v] : _mm256_srli_epi32(x[v], 4), mask), act);
            }
        }
        UNROLL for (int v = 0; v < 8; v++) {
            total[v / 4][v % 4] = _mm256_add_epi32(total[v / 4][v % 4], _mm256_madd_epi16(a[v / 4][v % 4], ones));
        }
    }
    UNROLL for (int v = 0; v < 8; v++) {
        _mm256_storeu_si256((__m256i *)(d + (v / 4 + 2 * low) * 64 + v % 4 * 16), total[v / 4][v % 4]);
    }
}

void tern_i2_cols_avx2(const uint8_t *w, size_t stride, size_t pieces, const uint32_t *list, size_t count,
                       const int8_t *q, int32_t qsum, int32_t *d) {
    for (size_t piece = 0; piece < pieces; piece++, w += 64, d += 256) {
        for (int half = 0; half < 2; half++) {
            half_piece(w + half * 32, stride, list, count, q, qsum, 0, piece + half == 0 ? pieces : 0, d + half * 8);
            half_piece(w + half * 32, stride, list, count, q, qsum, 1, 0, d + half * 8);
        }
    }
}
#endif
