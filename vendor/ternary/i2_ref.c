/* The definition of the integer kernels: plain loops, kept for ever. And the packers, which every path shares. */
#include "ternary.h"

#include <string.h>

static const uint8_t POWER_OF_3[5] = {1, 3, 9, 27, 81};

/* Whether one of the codes of `bytes` bytes is 3. */
static int has_code_3(const uint8_t *codes, size_t bytes) {
    uint8_t found = 0;
    for (size_t i = 0; i < bytes; i++) found |= codes[i] & (codes[i] >> 1) & 0x55;
    return found != 0;
}

size_t tern_i2_pack(const uint8_t *src, size_t rows, size_t k, uint8_t *w) {
    const size_t blocks = k / 128, groups = (rows + 7) / 8;
    for (size_t g = 0; g < groups; g++) {
        for (size_t r = 0; r < 8; r++) {
            uint8_t *to = w + (g * blocks * 8 + r) * 32;
            const uint8_t *from = g * 8 + r < rows ? src + (g * 8 + r) * (k / 4) : NULL;
            if (from && has_code_3(from, k / 4)) return 1 + g * 8 + r;
            for (size_t b = 0; b < blocks; b++) {
                if (from) memcpy(to + b * 256, from + b * 32, 32);
                else memset(to + b * 256, 0x55, 32);
            }
        }
    }
    return 0;
}

size_t tern_t5_pack(const uint8_t *src, size_t rows, size_t k, uint8_t *w) {
    const size_t blocks = (k + 159) / 160, groups = (rows + 7) / 8;
    for (size_t g = 0; g < groups; g++) {
        for (size_t r = 0; r < 8; r++) {
            const uint8_t *from = g * 8 + r < rows ? src + (g * 8 + r) * (k / 4) : NULL;
            if (from && has_code_3(from, k / 4)) return 1 + g * 8 + r;
            for (size_t b = 0; b < blocks; b++) {
                uint8_t *to = w + ((g * blocks + b) * 8 + r) * 32;
                memset(to, 0, 32);
                for (size_t f = 0; f < 5; f++) {
                    /* 32 columns from a multiple of 32: one plane of one i2 block. */
                    const size_t c = b * 160 + f * 32;
                    const uint8_t *plane = from && c < k ? from + c / 128 * 32 : NULL;
                    const unsigned shift = 6 - 2 * (c / 32 % 4);
                    for (size_t j = 0; j < 32; j++) {
                        const uint8_t code = plane ? (plane[j] >> shift) & 3 : 1;
                        to[j] = (uint8_t)(to[j] + code * POWER_OF_3[f]);
                    }
                }
            }
        }
    }
    return 0;
}

void tern_i2_gemv_ref(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                      const int32_t *qsum, int32_t *d, size_t ldd) {
    for (size_t t = 0; t < n; t++) {
        for (size_t r = 0; r < groups * 8; r++) {
            int32_t sum = 0;
            for (size_t c = 0; c < k; c++) {
                const uint8_t byte = w[((r / 8 * (k / 128) + c / 128) * 8 + r % 8) * 32 + c % 32];
                sum += (int32_t)((byte >> (6 - 2 * (c / 32 % 4))) & 3) * q[t * ldq + c];
            }
            d[t * ldd + r] = sum - qsum[t];
        }
    }
}

void tern_t5_gemv_ref(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                      const int32_t *qsum, int32_t *d, size_t ldd) {
    const size_t blocks = (k + 159) / 160;
    for (size_t t = 0; t < n; t++) {
        for (size_t r = 0; r < groups * 8; r++) {
            int32_t sum = 0;
            for (size_t c = 0; c < k; c++) {
                const uint8_t byte = w[((r / 8 * blocks + c / 160) * 8 + r % 8) * 32 + c % 32];
                sum += (int32_t)(byte / POWER_OF_3[c % 160 / 32] % 3) * q[t * ldq + c];
            }
            d[t * ldd + r] = sum - qsum[t];
        }
    }
}

void tern_i2_gemm_ref(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                      const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    (void)scratch;
    tern_i2_gemv_ref(w, groups, k, q, ldq, n, qsum, d, ldd);
}

void tern_t5_gemm_ref(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                      const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    (void)scratch;
    tern_t5_gemv_ref(w, groups, k, q, ldq, n, qsum, d, ldd);
}
