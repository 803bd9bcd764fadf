/* 2-bit kernels for AArch64 with the dot product instructions. ternary.h has the contract, README.md the layout.
 *
 * A row's 32 bytes of a block are two halves of 16, each with its half of every plane of activations. Codes are operands
 * of sdot, which is signed: at most 8 here, so they may stay at scale 4. */
#if defined(__aarch64__)
#include "neon.h"
#include "peak.h"

/* One token, 8 rows: one shift serves two fields, and the sums of scale 4 are kept apart. A lane of theirs grows by at
 * most 4 * 4 * 8 * 127 = 16 256 a block: 1.4e8 at k = 2^20. */
static void gemv1(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, int32_t qsum, int32_t *d) {
    const uint8x16_t m1 = vdupq_n_u8(0x03), m4 = vdupq_n_u8(0x0C);
    for (size_t g = 0; g < groups; g++) {
        int32x4_t a1[8], a4[8];
        UNROLL for (int i = 0; i < 8; i++) a1[i] = a4[i] = vdupq_n_s32(0);
        for (size_t b = 0; b < blocks; b++, w += 256) {
            UNROLL for (int i = 0; i < 4; i++) PREFETCH(w + i * 64);
            UNROLL for (int h = 0; h < 32; h += 16) {
                const int8_t *p = q + b * 128 + h;
                const int8x16_t q0 = vld1q_s8(p), q1 = vld1q_s8(p + 32), q2 = vld1q_s8(p + 64), q3 = vld1q_s8(p + 96);
                UNROLL for (int i = 0; i < 8; i++) {
                    const uint8x16_t x = vld1q_u8(w + i * 32 + h), y = vshrq_n_u8(x, 4);
                    a4[i] = vdotq_s32(a4[i], vreinterpretq_s8_u8(vandq_u8(y, m4)), q0);
                    a1[i] = vdotq_s32(a1[i], vreinterpretq_s8_u8(vandq_u8(y, m1)), q1);
                    a4[i] = vdotq_s32(a4[i], vreinterpretq_s8_u8(vandq_u8(x, m4)), q2);
                    a1[i] = vdotq_s32(a1[i], vreinterpretq_s8_u8(vandq_u8(x, m1)), q3);
                }
            }
        }
        UNROLL for (int i = 0; i < 8; i++) a1[i] = vsraq_n_s32(a1[i], a4[i], 2);
        vst1q_s32(d + g * 8, vsubq_s32(lane_sums(a1), vdupq_n_s32(qsum)));
        vst1q_s32(d + g * 8 + 4, vsubq_s32(lane_sums(a1 + 4), vdupq_n_s32(qsum)));
    }
}

/* n tokens, `rows` (2 or 4) rows at a time, 16 accumulators at most: fields are shifted down. */
INLINE void gemv_n(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, size_t ldq, const int n,
                   const int rows, const int32_t *qsum, int32_t *d, size_t ldd) {
    const uint8x16_t low = vdupq_n_u8(0x03);
    for (size_t g = 0; g < groups; g++, w += blocks * 256) {
        for (int part = 0; part < 8; part += rows) {
            int32x4_t acc[8][4];
            UNROLL for (int t = 0; t < n; t++) {
                UNROLL for (int i = 0; i < 4; i++) acc[t][i] = vdupq_n_s32(0);
            }
            for (size_t b = 0; b < blocks; b++) {
                const uint8_t *at = w + b * 256 + part * 32;
                PREFETCH(at);
                if (rows == 4) PREFETCH(at + 64);
                UNROLL for (int h = 0; h < 32; h += 16) {
                    uint8x16_t x[4];
                    UNROLL for (int i = 0; i < rows; i++) x[i] = vld1q_u8(at + i * 32 + h);
                    UNROLL for (int f = 3; f >= 0; f--) {
                        int8x16_t codes[4];
                        UNROLL for (int i = 0; i < rows; i++) {
                            codes[i] = vreinterpretq_s8_u8(vandq_u8(x[i], low));
                            x[i] = vshrq_n_u8(x[i], 2);
                        }
                        UNROLL for (int t = 0; t < n; t++) {
                            const int8x16_t p = vld1q_s8(q + t * ldq + b * 128 + f * 32 + h);
                            UNROLL for (int i = 0; i < rows; i++) acc[t][i] = vdotq_s32(acc[t][i], codes[i], p);
                        }
                    }
                }
            }
            UNROLL for (int t = 0; t < n; t++) {
                const int32x4_t sums = vsubq_s32(lane_sums(acc[t]), vdupq_n_s32(qsum[t]));
                int32_t *to = d + t * ldd + g * 8 + part;
                if (rows == 4) vst1q_s32(to, sums);
                else vst1_s32(to, vget_low_s32(sums));
            }
        }
    }
}

void tern_i2_gemv_dotprod(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                          const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = k / 128;
    switch (n) {
    case 1: gemv1(w, groups, blocks, q, qsum[0], d); break;
#define GEMV(n, rows)                                                                                                  \
    case n: gemv_n(w, groups, blocks, q, ldq, n, rows, qsum, d, ldd); break;
        GEMV(2, 4) GEMV(3, 4) GEMV(4, 4) GEMV(5, 2) GEMV(6, 2) GEMV(7, 2) GEMV(8, 2)
#undef GEMV
    }
}

/* Four bytes a column of 4 rows: a 4 x 4 transpose of 32-bit lanes. */
INLINE void transpose4(const uint8_t *rows, uint8x16_t out[4]) {
    uint32x4_t r[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] = vreinterpretq_u32_u8(vld1q_u8(rows + i * 32));
    const uint32x4x2_t a = vtrnq_u32(r[0], r[1]), b = vtrnq_u32(r[2], r[3]);
    UNROLL for (int i = 0; i < 2; i++) {
        out[i] = vreinterpretq_u8_u64(vtrn1q_u64(vreinterpretq_u64_u32(a.val[i]), vreinterpretq_u64_u32(b.val[i])));
        out[2 + i] = vreinterpretq_u8_u64(vtrn2q_u64(vreinterpretq_u64_u32(a.val[i]), vreinterpretq_u64_u32(b.val[i])));
    }
}

/* n <= 8 tokens times 8 rows of a panel [k/4][32 rows][4 columns]: 16 accumulators. k % 16 == 0. */
INLINE void tile(const uint8_t *panel, size_t k, const int8_t *q, size_t ldq, const int n, const int32_t *qsum,
                 int32_t *d, size_t ldd) {
    int32x4_t lower[8], upper[8];
    UNROLL for (int t = 0; t < n; t++) lower[t] = upper[t] = vdupq_n_s32(-qsum[t]);
    for (size_t c = 0; c < k; c += 16, panel += 4 * 128) {
        int8x16_t p[8];
        UNROLL for (int t = 0; t < n; t++) p[t] = vld1q_s8(q + t * ldq + c);
#define STEP(lane)                                                                                                     \
    do {                                                                                                               \
        const int8x16_t w0 = vreinterpretq_s8_u8(vld1q_u8(panel + lane * 128));                                        \
        const int8x16_t w1 = vreinterpretq_s8_u8(vld1q_u8(panel + lane * 128 + 16));                                   \
        UNROLL for (int t = 0; t < n; t++) {                                                                           \
            lower[t] = vdotq_laneq_s32(lower[t], w0, p[t], lane);                                                      \
            upper[t] = vdotq_laneq_s32(upper[t], w1, p[t], lane);                                                      \
        }                                                                                                              \
    } while (0)
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
#undef STEP
    }
    UNROLL for (int t = 0; t < n; t++) {
        vst1q_s32(d + t * ldd, lower[t]);
        vst1q_s32(d + t * ldd + 4, upper[t]);
    }
}

void tern_i2_gemm_dotprod(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                          const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    const uint8x16_t low = vdupq_n_u8(0x03);
    for (size_t g = 0; g < groups; g += 4) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        for (size_t i = 0; i < now; i++) {
            for (size_t b = 0; b < k / 128; b++, w += 256) {
                uint8_t *to = scratch + b * 32 * 128 + i * 32;
                for (int part = 0; part < 4; part++) { /* rows 0 .. 3 or 4 .. 7, bytes 0 .. 15 or 16 .. 31 */
                    uint8x16_t x[4];
                    transpose4(w + part / 2 * 128 + part % 2 * 16, x);
                    for (int f = 3; f >= 0; f--) {
                        UNROLL for (int c = 0; c < 4; c++) {
                            vst1q_u8(to + (f * 8 + part % 2 * 4 + c) * 128 + part / 2 * 16, vandq_u8(x[c], low));
                            x[c] = vshrq_n_u8(x[c], 2);
                        }
                    }
                }
            }
        }
        for (size_t t = 0, tiles = (n + 7) / 8; tiles > 0; tiles--) {
            const size_t tokens = (n - t) / tiles;
            for (size_t i = 0; i < now; i++) {
                int32_t *to = d + t * ldd + (g + i) * 8;
                switch (tokens) {
#define TILE(count)                                                                                                    \
    case count: tile(scratch + i * 32, k, q + t * ldq, ldq, count, qsum + t, to, ldd); break;
                    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8)
#undef TILE
                }
            }
            t += tokens;
        }
    }
}

#define SDOT(sum, codes, q) sum = vdotq_s32(sum, codes, q)
#define FIRST(sum) vgetq_lane_s32(sum, 0)
TERN_PEAK(tern_peak_dotprod, int32x4_t, int8x16_t, vdupq_n_s32(0), vdupq_n_s8, FIRST, SDOT, 16)
#endif
