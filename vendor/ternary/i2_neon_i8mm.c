/* 2-bit gemm for AArch64 with the int8 matrix instructions; gemv is i2_neon_dotprod.c's. ternary.h has the contract.
 *
 * smmla multiplies 2 rows x 8 columns by 2 tokens x 8 columns. The panel has 8 columns of each row together:
 * [k/8][32 rows][8 columns], so that 16 bytes are an operand. */
#if defined(__aarch64__)
#include "neon.h"
#include "peak.h"

/* Up to 8 tokens times 8 rows: 4 pairs of rows, `pairs` of tokens, 16 accumulators at most, each [row, row][token, token].
 * With an odd number the last token is taken twice. */
INLINE void tile(const uint8_t *panel, size_t k, const int8_t *q, size_t ldq, const int pairs, size_t tokens,
                 const int32_t *qsum, int32_t *d, size_t ldd) {
    int32x4_t acc[4][4];
    const int8_t *at[8];
    UNROLL for (int t = 0; t < 2 * pairs; t++) at[t] = q + ((size_t)t < tokens ? (size_t)t : tokens - 1) * ldq;
    UNROLL for (int p = 0; p < pairs; p++) {
        UNROLL for (int r = 0; r < 4; r++) acc[p][r] = vdupq_n_s32(0);
    }
    for (size_t c = 0; c < k; c += 8, panel += 256) {
        int8x16_t w[4];
        UNROLL for (int r = 0; r < 4; r++) w[r] = vreinterpretq_s8_u8(vld1q_u8(panel + r * 16));
        UNROLL for (int p = 0; p < pairs; p++) {
            const int8x16_t a = vcombine_s8(vld1_s8(at[2 * p] + c), vld1_s8(at[2 * p + 1] + c));
            UNROLL for (int r = 0; r < 4; r++) acc[p][r] = vmmlaq_s32(acc[p][r], a, w[r]);
        }
    }
    UNROLL for (int p = 0; p < pairs; p++) {
        UNROLL for (int r = 0; r < 4; r++) { /* a[0] . w[0], a[0] . w[1], a[1] . w[0], a[1] . w[1] */
            vst1_s32(d + 2 * p * ldd + 2 * r, vsub_s32(vget_low_s32(acc[p][r]), vdup_n_s32(qsum[2 * p])));
            if ((size_t)(2 * p + 1) < tokens) {
                int32_t *to = d + (2 * p + 1) * ldd + 2 * r;
                vst1_s32(to, vsub_s32(vget_high_s32(acc[p][r]), vdup_n_s32(qsum[2 * p + 1])));
            }
        }
    }
}

void tern_i2_gemm_i8mm(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                       const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    const uint8x16_t low = vdupq_n_u8(0x03);
    for (size_t g = 0; g < groups; g += 4) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        for (size_t i = 0; i < now; i++) {
            for (size_t b = 0; b < k / 128; b++, w += 256) {
                uint8_t *to = scratch + b * 16 * 256 + i * 64;
                for (int pair = 0; pair < 4; pair++) {
                    for (int h = 0; h < 2; h++) {
                        const uint64x2_t r0 = vreinterpretq_u64_u8(vld1q_u8(w + pair * 64 + h * 16));
                        const uint64x2_t r1 = vreinterpretq_u64_u8(vld1q_u8(w + pair * 64 + 32 + h * 16));
                        uint8x16_t x = vreinterpretq_u8_u64(vtrn1q_u64(r0, r1));
                        uint8x16_t y = vreinterpretq_u8_u64(vtrn2q_u64(r0, r1));
                        UNROLL for (int f = 3; f >= 0; f--) {
                            uint8_t *at = to + (f * 4 + h * 2) * 256 + pair * 16;
                            vst1q_u8(at, vandq_u8(x, low));
                            vst1q_u8(at + 256, vandq_u8(y, low));
                            x = vshrq_n_u8(x, 2);
                            y = vshrq_n_u8(y, 2);
                        }
                    }
                }
            }
        }
        for (size_t t = 0; t < n; t += 8) {
            const size_t tokens = n - t < 8 ? n - t : 8;
            for (size_t i = 0; i < now; i++) {
                int32_t *to = d + t * ldd + (g + i) * 8;
                switch ((tokens + 1) / 2) {
#define TILE(pairs)                                                                                                    \
    case pairs: tile(scratch + i * 64, k, q + t * ldq, ldq, pairs, tokens, qsum + t, to, ldd); break;
                    TILE(1) TILE(2) TILE(3) TILE(4)
#undef TILE
                }
            }
        }
    }
}

#define SMMLA(sum, codes, q) sum = vmmlaq_s32(sum, codes, q)
#define FIRST(sum) vgetq_lane_s32(sum, 0)
TERN_PEAK(tern_peak_i8mm, int32x4_t, int8x16_t, vdupq_n_s32(0), vdupq_n_s8, FIRST, SMMLA, 32)
#endif
