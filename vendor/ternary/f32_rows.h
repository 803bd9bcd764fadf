/* Rows of a head times vectors. Part of f32_body.h. */

/* 32 columns of a tile. */
INLINE void rows_step(int kind, int rows, int tokens, int j, const uint8_t *row, size_t row_bytes, size_t k,
                      const float *h, size_t i, V a[TILE_ROWS][TILE_TOKENS], V b[TILE_ROWS][TILE_TOKENS]) {
    V x[TILE_ROWS], y[TILE_ROWS];
    for (int r = 0; r < rows; r++) load_row(kind, row + (size_t)r * row_bytes, i, j, &x[r], &y[r]);
    for (int t = 0; t < tokens; t++) {
        V u = v_load(h + (size_t)t * k + i), v = v_load(h + (size_t)t * k + i + 16);
        for (int r = 0; r < rows; r++) {
            a[r][t] = v_fma(u, x[r], a[r][t]);
            b[r][t] = v_fma(v, y[r], b[r][t]);
        }
    }
}

/* A tile of rows and vectors. Each sum has two times 16 lanes, whatever the tile. Memory is not asked for ahead: what the
 * processor does by itself was faster on Zen 4 at every distance that was tried, with small pages and with large ones. */
INLINE void rows_tile(int kind, int rows, int tokens, const uint8_t *row, size_t row_bytes, size_t k, const float *h,
                      float *out, size_t ldo) {
    V a[TILE_ROWS][TILE_TOKENS], b[TILE_ROWS][TILE_TOKENS];
    for (int r = 0; r < rows; r++)
        for (int t = 0; t < tokens; t++) a[r][t] = b[r][t] = v_all(0);
    if (kind == TERN_ROWS_Q6_K) {
        for (size_t i = 0; i < k; i += 128) {
            rows_step(kind, rows, tokens, 0, row, row_bytes, k, h, i, a, b);
            rows_step(kind, rows, tokens, 1, row, row_bytes, k, h, i + 32, a, b);
            rows_step(kind, rows, tokens, 2, row, row_bytes, k, h, i + 64, a, b);
            rows_step(kind, rows, tokens, 3, row, row_bytes, k, h, i + 96, a, b);
        }
    } else {
        for (size_t i = 0; i < k; i += 32) rows_step(kind, rows, tokens, 0, row, row_bytes, k, h, i, a, b);
    }
    for (int r = 0; r < rows; r++)
        for (int t = 0; t < tokens; t++) out[(size_t)t * ldo + (size_t)r] = v_fold(v_add(a[r][t], b[r][t]));
}

INLINE void rows_some(int kind, int rows, const uint8_t *row, size_t row_bytes, size_t k, const float *h, size_t n,
                      float *out, size_t ldo) {
    size_t t = 0;
    for (; t + TILE_TOKENS <= n; t += TILE_TOKENS)
        rows_tile(kind, rows, TILE_TOKENS, row, row_bytes, k, h + t * k, out + t * ldo, ldo);
    for (; TILE_TOKENS > 2 && t + 2 <= n; t += 2)
        rows_tile(kind, rows, TILE_TOKENS > 2 ? 2 : 1, row, row_bytes, k, h + t * k, out + t * ldo, ldo);
    for (; t < n; t++) rows_tile(kind, rows, 1, row, row_bytes, k, h + t * k, out + t * ldo, ldo);
}

INLINE void rows_kind(int kind, const uint8_t *rows, size_t row_bytes, size_t count, size_t k, const float *h, size_t n,
                      float *out, size_t ldo) {
    size_t r = 0;
    /* Alone, a vector is fastest with one stream of memory. */
    if (n > 1)
        for (; r + TILE_ROWS <= count; r += TILE_ROWS)
            rows_some(kind, TILE_ROWS, rows + r * row_bytes, row_bytes, k, h, n, out + r, ldo);
    for (; r < count; r++) rows_some(kind, 1, rows + r * row_bytes, row_bytes, k, h, n, out + r, ldo);
}

void NAME(tern_f32_rows)(int kind, const uint8_t *rows, size_t row_bytes, size_t count, size_t k, const float *h,
                         size_t n, float *out, size_t ldo) {
    switch (kind) {
    case TERN_ROWS_F32: rows_kind(TERN_ROWS_F32, rows, row_bytes, count, k, h, n, out, ldo); break;
    case TERN_ROWS_F16: rows_kind(TERN_ROWS_F16, rows, row_bytes, count, k, h, n, out, ldo); break;
    case TERN_ROWS_BF16: rows_kind(TERN_ROWS_BF16, rows, row_bytes, count, k, h, n, out, ldo); break;
    case TERN_ROWS_Q8_0: rows_kind(TERN_ROWS_Q8_0, rows, row_bytes, count, k, h, n, out, ldo); break;
    default: rows_kind(TERN_ROWS_Q6_K, rows, row_bytes, count, k, h, n, out, ldo);
    }
}
