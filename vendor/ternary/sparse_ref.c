/* The definition of the products that skip what is zero: plain loops, kept for ever. And the packer of i2c. */
#include "ternary.h"

#include <string.h>

/* Code of column c of a row in the i2_s layout. */
static unsigned code(const uint8_t *row, size_t c) {
    return (row[c / 128 * 32 + c % 32] >> (6 - 2 * (c / 32 % 4))) & 3;
}

/* Where row r of a column is in the i2c layout: the byte, and how far its bits are from the lowest. */
static size_t i2c_byte(size_t r) {
    return r / 256 * 64 + r % 16 / 4 * 16 + r % 64 / 16 * 4 + r % 4;
}
static unsigned i2c_shift(size_t r) {
    return (unsigned)(6 - 2 * (r % 256 / 64));
}

/* The first row with a code 3; there is one. */
static size_t first_bad(const uint8_t *src, size_t rows, size_t k) {
    for (size_t i = 0; i < rows * (k / 4); i++) {
        if (src[i] & (src[i] >> 1) & 0x55) return i / (k / 4);
    }
    return rows;
}

size_t tern_i2c_pack(const uint8_t *src, size_t rows, size_t k, uint8_t *w) {
    const size_t stride = TERN_I2C_STRIDE(rows);
    for (size_t first = 0; first < stride * 4; first += 256) {
        for (size_t block = 0; block < k; block += 128) {
            uint8_t tile[128][64] = {{0}}; /* a piece of each column of the block: stays in L1 */
            for (size_t r = first; r < first + 256; r++) {
                const uint8_t *row = r < rows ? src + r * (k / 4) : NULL;
                for (size_t c = 0; c < 128; c++) {
                    const unsigned value = row ? code(row, block + c) : 1;
                    if (value == 3) return 1 + first_bad(src, rows, k);
                    tile[c][i2c_byte(r - first)] |= (uint8_t)(value << i2c_shift(r));
                }
            }
            for (size_t c = 0; c < 128; c++) memcpy(w + (block + c) * stride + first / 4, tile[c], 64);
        }
    }
    return 0;
}

void tern_i2_rows_ref(const uint8_t *w, size_t k, const uint32_t *list, size_t count, const int8_t *q, int32_t qsum,
                      int32_t *d) {
    for (size_t i = 0; i < count; i++) {
        int32_t sum = 0;
        for (size_t c = 0; c < k; c++) sum += (int32_t)code(w + list[i] * (k / 4), c) * q[c];
        d[i] = sum - qsum;
    }
}

void tern_i2_cols_ref(const uint8_t *w, size_t stride, size_t pieces, const uint32_t *list, size_t count,
                      const int8_t *q, int32_t qsum, int32_t *d) {
    for (size_t r = 0; r < pieces * 256; r++) {
        int32_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += (int32_t)((w[list[i] * stride + i2c_byte(r)] >> i2c_shift(r)) & 3) * q[i];
        }
        d[r] = sum - qsum;
    }
}
