/* Cells of the KV cache and packed rows: to f32 and back. Part of f32_body.h. */

#define Q8_BLOCK 34 /* a half d, 32 int8 */
#define Q6_BLOCK 210 /* 256 values: 128 bytes of low nibbles, 64 of high pairs of bits, 16 int8 scales, a half d */

/* Codes -32 .. 31 of 16 values. Shifts by constants: a shift of bytes by a variable is a loop. */
INLINE Bytes q6_codes(Bytes low, Bytes high, int j) {
    Bytes nibbles = j < 2 ? low & 15 : low >> 4;
    Bytes pairs = j == 0 ? high << 4 & 48 : j == 1 ? high << 2 & 48 : j == 2 ? high & 48 : high >> 2 & 48;
    return (nibbles | pairs) - 32;
}

/* 32 values of a packed row from value i on, i % 32 == 0; j = i / 32 % 4, a constant where it matters. Exact, but for
 * Q6_K's last product. */
INLINE void load_row(int kind, const uint8_t *row, size_t i, int j, V *a, V *b) {
    if (kind == TERN_ROWS_F32) {
        *a = v_load((const float *)(const void *)(row + 4 * i));
        *b = v_load((const float *)(const void *)(row + 4 * i + 64));
    } else if (kind == TERN_ROWS_F16) {
        *a = v_from_f16(row + 2 * i);
        *b = v_from_f16(row + 2 * i + 32);
    } else if (kind == TERN_ROWS_BF16) {
        *a = v_from_bf16(row + 2 * i);
        *b = v_from_bf16(row + 2 * i + 32);
    } else if (kind == TERN_ROWS_Q8_0) {
        const uint8_t *block = row + i / 32 * Q8_BLOCK;
        V d = v_all(half_at(block));
        *a = v_mul(v_from_i8(bytes_load(block + 2)), d);
        *b = v_mul(v_from_i8(bytes_load(block + 18)), d);
    } else {
        /* Two runs of 128 values. Of run r, values 32 j .. 32 j + 31 take bytes 32 (j % 2) .. of its 64 low bytes, low
         * nibbles for j < 2, and bits 2 j, 2 j + 1 of its 32 high bytes; a scale for each 16. */
        const uint8_t *super = row + i / 256 * Q6_BLOCK;
        size_t r = i / 128 % 2;
        const uint8_t *low = super + r * 64 + 32 * (j % 2), *high = super + 128 + r * 32;
        const int8_t *scales = (const int8_t *)super + 192 + r * 8 + 2 * j;
        float d = half_at(super + 208);
        *a = v_mul(v_from_i8(q6_codes(bytes_load(low), bytes_load(high), j)), v_all(d * (float)scales[0]));
        *b = v_mul(v_from_i8(q6_codes(bytes_load(low + 16), bytes_load(high + 16), j)), v_all(d * (float)scales[1]));
    }
}

INLINE void widen(int kind, const uint8_t *row, size_t n, float *x) {
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        V a, b;
        load_row(kind, row, i, (int)(i / 32 % 4), &a, &b);
        v_store(x + i, a);
        v_store(x + i + 16, b);
    }
    if (i == n || kind == TERN_ROWS_Q8_0 || kind == TERN_ROWS_Q6_K) return;
    /* The end of a row of plain numbers; blocks are whole. */
    size_t each = kind == TERN_ROWS_F32 ? 4 : 2;
    uint8_t rest[128] = {0};
    memcpy(rest, row + i * each, (n - i) * each);
    V a, b;
    load_row(kind, rest, 0, 0, &a, &b);
    float y[32];
    v_store(y, a);
    v_store(y + 16, b);
    memcpy(x + i, y, (n - i) * sizeof *x);
}

void NAME(tern_f32_widen)(int kind, const uint8_t *row, size_t n, float *x) {
    switch (kind) {
    case TERN_ROWS_F32: memcpy(x, row, n * sizeof *x); break;
    case TERN_ROWS_F16: widen(TERN_ROWS_F16, row, n, x); break;
    case TERN_ROWS_BF16: widen(TERN_ROWS_BF16, row, n, x); break;
    case TERN_ROWS_Q8_0: widen(TERN_ROWS_Q8_0, row, n, x); break;
    default: widen(TERN_ROWS_Q6_K, row, n, x);
    }
}

INLINE void store_q8(const float *x, size_t n, uint8_t *cell) {
    for (size_t i = 0; i < n; i += 32, cell += Q8_BLOCK) {
        V a = v_load(x + i), b = v_load(x + i + 16);
        int32_t bits = i_fold_max(i_max(i_bits(a), i_bits(b)));
        float most;
        memcpy(&most, &bits, 4);
        if (bits >= 0x7f800000) {
            uint16_t nan = 0x7e00;
            memcpy(cell, &nan, 2);
            memset(cell + 2, 0, 32);
            continue;
        }
        uint16_t d = half_of(most / 127.0f);
        memcpy(cell, &d, 2);
        /* As ggml: codes by the unrounded d. 127 / most is infinite for the smallest; their d is zero in any case. */
        float inverse = most > 1e-30f ? 127.0f / most : 0.0f;
        i_store8((int8_t *)cell + 2, i_round(v_mul(a, v_all(inverse))));
        i_store8((int8_t *)cell + 18, i_round(v_mul(b, v_all(inverse))));
    }
}

void NAME(tern_f32_store)(int kind, const float *x, size_t n, uint8_t *cell) {
    if (kind == TERN_KV_Q8_0) {
        store_q8(x, n, cell);
        return;
    }
    if (kind == TERN_KV_F32) {
        memcpy(cell, x, n * sizeof *x);
        return;
    }
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_to_f16(cell + 2 * i, v_load(x + i));
    if (i < n) {
        uint8_t h[32];
        v_to_f16(h, load_some(x, i, n));
        memcpy(cell + 2 * i, h, 2 * (n - i));
    }
}
