/* What the files of 256-bit kernels share: sums over lanes and the expansion of panels. Included by them alone. */
#ifndef TERN_TERNARY_YMM_H
#define TERN_TERNARY_YMM_H

#include "inner.h"

#include <immintrin.h>

INLINE __m256i load(const void *at) {
    return _mm256_load_si256((const __m256i *)at);
}

/* v0's sum over its lanes, v1's, v2's, v3's. */
INLINE __m128i lane_sums(__m256i v0, __m256i v1, __m256i v2, __m256i v3) {
    const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v0, v1), _mm256_hadd_epi32(v2, v3));
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

/* A group is worked on in chunks of blocks, which stay in L1, because the registers do not hold the sums of all its
 * rows: the first `rows` rows of the chunk, then the next. The sizes, and how far ahead memory is asked for (into L2: a
 * fill of L1 that is late holds these kernels up), are measured on Zen 3 and 4: a whole group at a time, 8 KB ahead into
 * L1, reached 15 GB/s of DRAM, this 30. */
INLINE void ask(const uint8_t *chunk, size_t blocks, int part, const int rows, size_t b) {
    const uint8_t *at = chunk + part * blocks * 32 + b * 32 * rows + 4096;
    if (rows == 4) _mm_prefetch((const char *)at + 64, _MM_HINT_T1);
    if (rows > 1 || b % 2 == 0) _mm_prefetch((const char *)at, _MM_HINT_T1);
}

/* Chunks of about equal size, at most `most`: how many blocks of `left` the next has. */
INLINE size_t chunk_of(size_t left, size_t most) {
    const size_t chunks = (left + most - 1) / most;
    return (left + chunks - 1) / chunks;
}

/* Writes the results of a group: the sums over the lanes of v[row], less qsum. */
INLINE void store_sums(int32_t *d, const __m256i *v, int32_t qsum) {
    const __m128i s = _mm_set1_epi32(qsum);
    _mm_storeu_si128((__m128i *)d, _mm_sub_epi32(lane_sums(v[0], v[1], v[2], v[3]), s));
    _mm_storeu_si128((__m128i *)(d + 4), _mm_sub_epi32(lane_sums(v[4], v[5], v[6], v[7]), s));
}

/* The 8 rows x 32 bytes of a block, by columns: out[i] = bytes 4i .. 4i+3 of the 8 rows. */
INLINE void transpose(const uint8_t *block, __m256i out[8]) {
    __m256i a[8], b[8];
    UNROLL for (int i = 0; i < 4; i++) {
        const __m256i even = load(block + i * 64), odd = load(block + i * 64 + 32);
        a[2 * i] = _mm256_unpacklo_epi32(even, odd);
        a[2 * i + 1] = _mm256_unpackhi_epi32(even, odd);
    }
    UNROLL for (int i = 0; i < 2; i++) {
        b[4 * i] = _mm256_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm256_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm256_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm256_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        out[i] = _mm256_permute2x128_si256(b[i], b[4 + i], 0x20);
        out[4 + i] = _mm256_permute2x128_si256(b[i], b[4 + i], 0x31);
    }
}

/* Codes of up to 4 groups of 2-bit weights as a panel [k/4][32 rows][4 columns]; rows of groups that are not there are
 * left as they were. */
INLINE void expand_i2(const uint8_t *w, size_t groups, size_t blocks, uint8_t *panel) {
    const __m256i low = _mm256_set1_epi8(0x03);
    for (size_t g = 0; g < groups; g++) {
        for (size_t b = 0; b < blocks; b++, w += 256) {
            __m256i x[8];
            transpose(w, x);
            uint8_t *to = panel + b * 32 * 128 + g * 32;
            for (int f = 3; f >= 0; f--) {
                UNROLL for (int i = 0; i < 8; i++) {
                    _mm256_store_si256((__m256i *)(to + (f * 8 + i) * 128), _mm256_and_si256(x[i], low));
                    x[i] = _mm256_srli_epi32(x[i], 2);
                }
            }
        }
    }
}

/* Four activations, for each row. */
INLINE __m256i four(const int8_t *q, size_t step) {
    return _mm256_set1_epi32(((const int32_t *)q)[step]);
}

#endif
