/* Products that skip what is zero, for AVX-512 with VNNI. ternary.h has the contract, README.md the layouts. */
#if defined(__x86_64__)
#include "avx512.h"

/* A plane of a block of a row and the one of the next, `next` bytes later. */
INLINE __m512i planes(const int8_t *q, size_t next) {
    const __m256i low = _mm256_load_si256((const __m256i *)q), high = _mm256_load_si256((const __m256i *)(q + next));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Four rows of the list at a time, fields at their scales as in i2_avx512.c; the lines of the rows 16 later are
 * asked for meanwhile, for the processor cannot guess them (into L2: into L1 takes twice as long). */
void tern_i2_rows_avx512(const uint8_t *w, size_t k, const uint32_t *list, size_t count, const int8_t *q, int32_t qsum,
                         int32_t *d) {
    const __m512i m0 = _mm512_set1_epi8((char)0xC0), m1 = _mm512_set1_epi8(0x30), m2 = _mm512_set1_epi8(0x0C),
                  m3 = _mm512_set1_epi8(0x03);
    const size_t bytes = k / 4;
    for (size_t i = 0; i < count; i += 4) {
        const uint8_t *row[4], *later[4];
        __m512i a0[4], a1[4], a2[4], a3[4];
        UNROLL for (int r = 0; r < 4; r++) {
            row[r] = w + list[i + r < count ? i + r : count - 1] * bytes;
            later[r] = w + list[i + r + 16 < count ? i + r + 16 : count - 1] * bytes;
            a0[r] = a1[r] = a2[r] = a3[r] = _mm512_setzero_si512();
        }
        for (size_t b = 0; b < bytes; b += 64) {
            /* An odd last block: the upper half of the codes is zero, whatever the activations; none are read past it. */
            const __mmask8 there = b + 64 <= bytes ? 0xFF : 0x0F;
            const size_t next = b + 64 <= bytes ? 128 : 0;
            const int8_t *p = q + b * 4;
            const __m512i q0 = planes(p, next), q1 = planes(p + 32, next), q2 = planes(p + 64, next),
                          q3 = planes(p + 96, next);
            UNROLL for (int r = 0; r < 4; r++) {
                _mm_prefetch((const char *)later[r] + b, _MM_HINT_T1);
                const __m512i x = _mm512_maskz_loadu_epi64(there, row[r] + b);
                DOT(a0[r], _mm512_and_si512(x, m0), q0);
                DOT(a1[r], _mm512_and_si512(x, m1), q1);
                DOT(a2[r], _mm512_and_si512(x, m2), q2);
                DOT(a3[r], _mm512_and_si512(x, m3), q3);
            }
        }
        UNROLL for (int r = 0; r < 4; r++) {
            a0[r] = _mm512_add_epi32(_mm512_srai_epi32(a0[r], 6), _mm512_srai_epi32(a1[r], 4));
            a0[r] = _mm512_add_epi32(a0[r], _mm512_add_epi32(_mm512_srai_epi32(a2[r], 2), a3[r]));
            if (i + r < count) d[i + r] = _mm512_reduce_add_epi32(a0[r]) - qsum;
        }
    }
}

/* Four columns of the list at a time: their bytes are interleaved, so that a 32-bit lane holds four columns of a row, and
 * the dot product adds them. 256 rows have 16 accumulators. */
void tern_i2_cols_avx512(const uint8_t *w, size_t stride, size_t pieces, const uint32_t *list, size_t count,
                         const int8_t *q, int32_t qsum, int32_t *d) {
    const __m512i m0 = _mm512_set1_epi8((char)0xC0), m1 = _mm512_set1_epi8(0x30), m2 = _mm512_set1_epi8(0x0C),
                  m3 = _mm512_set1_epi8(0x03);
    for (size_t piece = 0; piece < pieces; piece++, w += 64, d += 256) {
        __m512i a[4][4];
        UNROLL for (int f = 0; f < 4; f++) {
            UNROLL for (int v = 0; v < 4; v++) a[f][v] = _mm512_setzero_si512();
        }
        for (size_t i = 0; i < count; i += 4) {
            if (piece == 0) {
                /* The columns of a few steps later, all pieces of them: later passes find them in L2. */
                UNROLL for (int c = 0; c < 4; c++) {
                    const uint8_t *later = w + list[i + 8 + c < count ? i + 8 + c : count - 1] * stride;
                    for (size_t p = 0; p < pieces; p++) _mm_prefetch((const char *)later + p * 64, _MM_HINT_T1);
                }
            }
            const __m512i x0 = _mm512_load_si512(w + list[i] * stride), x1 = _mm512_load_si512(w + list[i + 1] * stride),
                          x2 = _mm512_load_si512(w + list[i + 2] * stride),
                          x3 = _mm512_load_si512(w + list[i + 3] * stride);
            const __m512i lo01 = _mm512_unpacklo_epi8(x0, x1), hi01 = _mm512_unpackhi_epi8(x0, x1);
            const __m512i lo23 = _mm512_unpacklo_epi8(x2, x3), hi23 = _mm512_unpackhi_epi8(x2, x3);
            const __m512i x[4] = {_mm512_unpacklo_epi16(lo01, lo23), _mm512_unpackhi_epi16(lo01, lo23),
                                  _mm512_unpacklo_epi16(hi01, hi23), _mm512_unpackhi_epi16(hi01, hi23)};
            const __m512i four = _mm512_set1_epi32(((const int32_t *)q)[i / 4]);
            UNROLL for (int v = 0; v < 4; v++) {
                DOT(a[0][v], _mm512_and_si512(x[v], m0), four);
                DOT(a[1][v], _mm512_and_si512(x[v], m1), four);
                DOT(a[2][v], _mm512_and_si512(x[v], m2), four);
                DOT(a[3][v], _mm512_and_si512(x[v], m3), four);
            }
        }
        const __m512i sum = _mm512_set1_epi32(qsum);
        UNROLL for (int f = 0; f < 4; f++) {
            UNROLL for (int v = 0; v < 4; v++) {
                _mm512_storeu_si512(d + f * 64 + v * 16, _mm512_sub_epi32(_mm512_srai_epi32(a[f][v], 6 - 2 * f), sum));
            }
        }
    }
}
#endif
