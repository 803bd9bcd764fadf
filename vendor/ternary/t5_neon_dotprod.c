/* 5 weights a byte, for AArch64 with the dot product instructions. ternary.h has the contract, README.md the layout.
 *
 * A comparison is -1 where it holds: the two of a byte with 81 and 162 add up to minus its highest digit, and 81 times
 * that takes the digit off; then 27 and 9. What is left, 0 .. 8, is looked up in tables of minus t0 and minus t1. All
 * digits are negative, so the sums are, and change their sign at the end. */
#if defined(__aarch64__)
#include "neon.h"

/* Minus the digit of value `step` of each byte; takes it off. */
INLINE int8x16_t take(uint8x16_t *x, uint8_t step) {
    const uint8x16_t one = vcgeq_u8(*x, vdupq_n_u8(step)), two = vcgeq_u8(*x, vdupq_n_u8((uint8_t)(2 * step)));
    const uint8x16_t minus = vaddq_u8(one, two);
    *x = vmlaq_u8(*x, minus, vdupq_n_u8(step));
    return vreinterpretq_s8_u8(minus);
}

/* Minus the five digits of each byte. */
INLINE void digits(uint8x16_t x, int8x16_t t[5]) {
    static const int8_t T0[16] = {0, -1, -2, 0, -1, -2, 0, -1, -2}, T1[16] = {0, 0, 0, -1, -1, -1, -2, -2, -2};
    t[4] = take(&x, 81);
    t[3] = take(&x, 27);
    t[2] = take(&x, 9);
    t[1] = vqtbl1q_s8(vld1q_s8(T1), x);
    t[0] = vqtbl1q_s8(vld1q_s8(T0), x);
}

/* n tokens, 4 rows at a time for up to 4 of them, or 2. */
INLINE void gemv_n(const uint8_t *w, size_t groups, size_t blocks, const int8_t *q, size_t ldq, const int n,
                   const int rows, const int32_t *qsum, int32_t *d, size_t ldd) {
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
                for (int h = 0; h < 32; h += 16) {
                    UNROLL for (int i = 0; i < rows; i++) {
                        int8x16_t codes[5];
                        digits(vld1q_u8(at + i * 32 + h), codes);
                        UNROLL for (int t = 0; t < n; t++) {
                            UNROLL for (int f = 0; f < 5; f++) {
                                const int8x16_t p = vld1q_s8(q + t * ldq + b * 160 + f * 32 + h);
                                acc[t][i] = vdotq_s32(acc[t][i], codes[f], p);
                            }
                        }
                    }
                }
            }
            UNROLL for (int t = 0; t < n; t++) {
                const int32x4_t sums = vsubq_s32(vdupq_n_s32(-qsum[t]), lane_sums(acc[t]));
                int32_t *to = d + t * ldd + g * 8 + part;
                if (rows == 4) vst1q_s32(to, sums);
                else vst1_s32(to, vget_low_s32(sums));
            }
        }
    }
}

void tern_t5_gemv_dotprod(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                          const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = (k + 159) / 160;
    switch (n) {
#define GEMV(n, rows)                                                                                                  \
    case n: gemv_n(w, groups, blocks, q, ldq, n, rows, qsum, d, ldd); break;
        GEMV(1, 4) GEMV(2, 4) GEMV(3, 4) GEMV(4, 4) GEMV(5, 2) GEMV(6, 2) GEMV(7, 2) GEMV(8, 2)
#undef GEMV
    }
}

/* Batches are for the 2-bit layout: here they are runs of gemvs. */
void tern_t5_gemm_dotprod(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                          const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    (void)scratch;
    for (size_t t = 0; t < n; t += TERN_GEMV_MAX) {
        const size_t now = n - t < TERN_GEMV_MAX ? n - t : TERN_GEMV_MAX;
        tern_t5_gemv_dotprod(w, groups, k, q + t * ldq, ldq, now, qsum + t, d + t * ldd, ldd);
    }
}
#endif
