/* The screen of a head: rows of 8 bits, of which the upper 6 are read first. Part of f32_body.h. README.md has the layout.
 *
 * B is a register of codes, Q one of a vector's values, S one of 32-bit sums; f32_ref.c says what their operations do. 256 columns are 64
 * places of four columns each, whose codes c0..c3 are found by shifts and masks alone. */

/* The codes of four times sizeof(B) columns, from place p of a block of upper bits. */
INLINE void screen_high(const uint8_t *p, B c[4]) {
    const B six = b_all(0x3F), x = b_load(p), y = b_load(p + 64), z = b_load(p + 128);
    c[0] = b_and(x, six);
    c[1] = b_and(y, six);
    c[2] = b_and(z, six);
    c[3] = b_and(b_right(x, 6), b_all(0x03));
    c[3] = b_and_or(b_right(y, 4), b_all(0x0C), c[3]);
    c[3] = b_and_or(b_right(z, 2), b_all(0x30), c[3]);
}
INLINE void screen_low(const uint8_t *p, B c[4]) {
    const B two = b_all(0x03), x = b_load(p);
    c[0] = b_and(x, two);
    c[1] = b_and(b_right(x, 2), two);
    c[2] = b_and(b_right(x, 4), two);
    c[3] = b_and(b_right(x, 6), two);
}

/* So far ahead memory is asked for, into L2: on Zen 3 reading is 1.2 times as fast with it. */
#define SCREEN_AHEAD 2048

/* Two registers of codes and values at once, where that takes fewer operations: for four tokens, which are bound by those. */
#ifndef S_DOT2
#define s_dot2(sum, c0, c1, h0, h1) s_dot(s_dot(sum, c0, h0), c1, h1)
#endif

/* A row times `tokens` vectors of whole blocks, up to 4, with two sums each, so that none is waited for. */
INLINE void screen_row(const int low, const int tokens, const uint8_t *row, size_t blocks, const int8_t *h, size_t ldh,
                       int32_t *d, size_t ldd) {
    S sums[4][2];
    UNROLL for (int t = 0; t < 4; t++) sums[t][0] = sums[t][1] = s_zero();
    for (size_t b = 0; b < blocks; b++, row += low ? 64 : 192, h += 256) {
        for (size_t l = 0; !low && l < 192; l += 64) __builtin_prefetch(row + SCREEN_AHEAD + l, 0, 2);
        for (size_t p = 0; p < 64; p += sizeof(B)) {
            B c[4];
            low ? screen_low(row + p, c) : screen_high(row + p, c);
            UNROLL for (int t = 0; t < tokens; t++) {
                const int8_t *q = h + (size_t)t * ldh + p;
                if (tokens < 4) {
                    UNROLL for (int i = 0; i < 4; i++) sums[t][i % 2] = s_dot(sums[t][i % 2], c[i], q_load(q + i * 64));
                } else {
                    UNROLL for (int i = 0; i < 2; i++) {
                        const Q x = q_load(q + i * 128), y = q_load(q + i * 128 + 64);
                        sums[t][i] = s_dot2(sums[t][i], c[2 * i], c[2 * i + 1], x, y);
                    }
                }
            }
        }
    }
    UNROLL for (int t = 0; t < 4; t++) sums[t][0] = s_add(sums[t][0], sums[t][1]);
    int32_t all[4];
    s_fold4(sums[0][0], sums[1][0], sums[2][0], sums[3][0], all);
    UNROLL for (int t = 0; t < tokens; t++) d[(size_t)t * ldd] = all[t];
}

INLINE void screen_some(const int low, const uint8_t *row, size_t blocks, const int8_t *h, size_t n, int32_t *d, size_t ldd) {
    const size_t ldh = blocks * 256;
    size_t t = 0;
    for (; t + 4 <= n; t += 4) screen_row(low, 4, row, blocks, h + t * ldh, ldh, d + t * ldd, ldd);
    for (; t + 2 <= n; t += 2) screen_row(low, 2, row, blocks, h + t * ldh, ldh, d + t * ldd, ldd);
    if (t < n) screen_row(low, 1, row, blocks, h + t * ldh, ldh, d + t * ldd, ldd);
}

/* One row at a time, in the order of memory, which is read at its full speed in one stream only: two rows side by side need
 * fewer loads, and were half as fast for 4 vectors and no faster for 8. */
void NAME(tern_f32_screen_high)(const uint8_t *rows, size_t count, size_t blocks, const int8_t *h, size_t n, int32_t *d,
                                size_t ldd) {
    for (size_t r = 0; r < count; r++) screen_some(0, rows + r * blocks * 192, blocks, h, n, d + r, ldd);
}

void NAME(tern_f32_screen_low)(const uint8_t *row, size_t blocks, const int8_t *h, size_t n, int32_t *d) {
    screen_some(1, row, blocks, h, n, d, 1);
}
