/* Attention of a few tokens over the cells of one key/value head. Part of f32_body.h.
 *
 * Rows are the query heads of all tokens of a share (TERN_ATTEND_TOKENS), padded with zeros to `width` = 16 j floats.
 * Cells are taken in runs of TERN_ATTEND_RUN: 16 keys at a time become floats and meet all rows; softmax within the run;
 * 16 values at a time alike; then the run joins what came before. Whatever the number of rows, each sees its cells in this
 * order, so that a token of many gets the bits of a token alone. */

#define BLOCK 16
#define RUN TERN_ATTEND_RUN

typedef struct {
    size_t rows, heads, size, width;
    size_t n, tokens; /* cells of the last token; tokens of the share */
    const uint32_t *cells;
    size_t cell_bytes;
    float *q;      /* [rows][width] */
    float *p;      /* [rows][RUN]: scores, then weights */
    float *o, *o2; /* [rows][width]: outputs so far, of this run */
    float *ml;     /* [rows][4]: maximum and sum so far, of this run */
    float *block;  /* [BLOCK][width] */
} Share;

/* Cells of the run at `first` that a row's token sees. */
INLINE size_t seen_of(const Share *s, size_t row, size_t first) {
    size_t all = s->n - s->tokens + 1 + row / s->heads;
    return all <= first ? 0 : all - first < RUN ? all - first : RUN;
}

INLINE void load_block(int kind, const Share *s, const uint8_t *base, size_t at, size_t count) {
    for (size_t c = 0; c < count; c++) {
        const uint8_t *cell = base + (size_t)s->cells[at + c] * s->cell_bytes;
        if (at + c + BLOCK < s->n) {
            const uint8_t *next = base + (size_t)s->cells[at + c + BLOCK] * s->cell_bytes;
            for (size_t i = 0; i < s->cell_bytes; i += 64) __builtin_prefetch(next + i);
        }
        int packed = kind == TERN_KV_F16 ? TERN_ROWS_F16 : kind == TERN_KV_Q8_0 ? TERN_ROWS_Q8_0 : TERN_ROWS_F32;
        widen(packed, cell, s->size, s->block + c * s->width);
    }
    /* Scores are taken four at a time: those past the end are of zeros, and unused. */
    for (size_t c = count; c % 4; c++) memset(s->block + c * s->width, 0, s->width * sizeof(float));
}

/* Scores of `rows` rows with four cells of the block. */
INLINE void scores4(int rows, const float *q, size_t width, const float *k, float scale, float *p) {
    V sum[ATTEND_ROWS][4];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < 4; c++) sum[r][c] = v_all(0);
    for (size_t i = 0; i < width; i += 16) {
        V key[4];
        for (int c = 0; c < 4; c++) key[c] = v_load(k + (size_t)c * width + i);
        for (int r = 0; r < rows; r++) {
            V x = v_load(q + (size_t)r * width + i);
            for (int c = 0; c < 4; c++) sum[r][c] = v_fma(x, key[c], sum[r][c]);
        }
    }
    for (int r = 0; r < rows; r++) {
        float *out = p + (size_t)r * RUN;
        v_fold4(sum[r][0], sum[r][1], sum[r][2], sum[r][3], out);
        for (int c = 0; c < 4; c++) out[c] *= scale;
    }
}

/* o += the weighted values of `count` cells, for `vectors` vectors of `rows` rows from number i on. */
INLINE void values_tile(int rows, int vectors, const float *p, const float *v, size_t width, size_t count, float *o) {
    V sum[ATTEND_ROWS][4];
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < vectors; j++) sum[r][j] = v_load(o + (size_t)r * width + 16 * j);
    for (size_t c = 0; c < count; c++) {
        V value[4];
        for (int j = 0; j < vectors; j++) value[j] = v_load(v + c * width + 16 * j);
        for (int r = 0; r < rows; r++) {
            V w = v_all(p[(size_t)r * RUN + c]);
            for (int j = 0; j < vectors; j++) sum[r][j] = v_fma(w, value[j], sum[r][j]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < vectors; j++) v_store(o + (size_t)r * width + 16 * j, sum[r][j]);
}

INLINE void values_rows(int rows, const float *p, const float *v, size_t width, size_t count, float *o) {
    size_t i = 0;
    for (; i + 64 <= width; i += 64) values_tile(rows, 4, p, v + i, width, count, o + i);
    for (; i < width; i += 16) values_tile(rows, 1, p, v + i, width, count, o + i);
}

/* Weights of a row within the run, not yet divided by their sum. */
INLINE void soften(float *p, size_t count, float *most, float *total) {
    size_t padded = (count + 15) / 16 * 16;
    for (size_t c = count; c < padded; c++) p[c] = -__builtin_inff();
    V m = v_load(p);
    for (size_t c = 16; c < padded; c += 16) m = v_max(v_load(p + c), m);
    *most = v_fold_max(m);
    V top = v_all(*most), sum = v_all(0);
    for (size_t c = 0; c < padded; c += 16) {
        V e = exponential(v_sub(v_load(p + c), top));
        v_store(p + c, e);
        sum = v_add(sum, e);
    }
    *total = v_fold(sum);
}

/* Joins the run's output of a row with what came before it. */
INLINE void join(const Share *s, size_t row) {
    float *ml = s->ml + 4 * row, *o = s->o + row * s->width, *o2 = s->o2 + row * s->width;
    float most = ml[0] > ml[2] ? ml[0] : ml[2], factors[16] = {ml[0] - most, ml[2] - most};
    v_store(factors, exponential(v_load(factors)));
    V a = v_all(factors[0]), b = v_all(factors[1]);
    for (size_t i = 0; i < s->width; i += 16) v_store(o + i, v_fma(v_load(o + i), a, v_mul(v_load(o2 + i), b)));
    ml[0] = most;
    ml[1] = ml[1] * factors[0] + ml[3] * factors[1];
}

INLINE void attend_run(int kind, const Share *s, const uint8_t *k, const uint8_t *v, float scale, size_t first) {
    size_t most = seen_of(s, s->rows - 1, first);
    for (size_t b = 0; b < most; b += BLOCK) {
        size_t count = most - b < BLOCK ? most - b : BLOCK;
        load_block(kind, s, k, first + b, count);
        for (size_t r = 0; r < s->rows;) {
            size_t seen = seen_of(s, r, first);
            int two = ATTEND_ROWS == 2 && r % s->heads + 2 <= s->heads;
            float *p = s->p + r * RUN + b;
            const float *q = s->q + r * s->width;
            for (size_t c = 0; c < count && b + c < seen; c += 4) {
                const float *keys = s->block + c * s->width;
                if (two) scores4(ATTEND_ROWS, q, s->width, keys, scale, p + c);
                else scores4(1, q, s->width, keys, scale, p + c);
            }
            r += two ? 2 : 1;
        }
    }
    for (size_t r = 0; r < s->rows; r++) {
        size_t seen = seen_of(s, r, first);
        if (seen == 0) continue;
        soften(s->p + r * RUN, seen, s->ml + 4 * r + 2, s->ml + 4 * r + 3);
        memset(s->o2 + r * s->width, 0, s->width * sizeof(float));
    }
    for (size_t b = 0; b < most; b += BLOCK) {
        size_t count = most - b < BLOCK ? most - b : BLOCK;
        load_block(kind, s, v, first + b, count);
        for (size_t r = 0; r < s->rows;) {
            size_t seen = seen_of(s, r, first);
            int two = ATTEND_ROWS == 2 && r % s->heads + 2 <= s->heads;
            size_t some = seen <= b ? 0 : seen - b < count ? seen - b : count;
            const float *p = s->p + r * RUN + b;
            float *o = s->o2 + r * s->width;
            if (two) values_rows(ATTEND_ROWS, p, s->block, s->width, some, o);
            else values_rows(1, p, s->block, s->width, some, o);
            r += two ? 2 : 1;
        }
    }
    for (size_t r = 0; r < s->rows; r++) {
        if (seen_of(s, r, first) == 0) continue;
        if (first > 0) {
            join(s, r);
        } else {
            memcpy(s->o + r * s->width, s->o2 + r * s->width, s->width * sizeof(float));
            s->ml[4 * r] = s->ml[4 * r + 2];
            s->ml[4 * r + 1] = s->ml[4 * r + 3];
        }
    }
}

INLINE void attend(int kind, const float *q, size_t ldq, size_t tokens, size_t heads, size_t size, size_t width,
                   const uint8_t *k, const uint8_t *v, size_t cell_bytes, const uint32_t *cells, size_t n, float scale,
                   float *scratch, float *out, size_t ldo) {
    for (size_t t = 0; t < tokens; t += TERN_ATTEND_TOKENS) {
        size_t some = tokens - t < TERN_ATTEND_TOKENS ? tokens - t : TERN_ATTEND_TOKENS, rows = some * heads;
        Share s = {.rows = rows, .heads = heads, .size = size, .width = width, .n = n - tokens + t + some,
                   .tokens = some, .cells = cells, .cell_bytes = cell_bytes};
        s.block = scratch;
        s.q = s.block + BLOCK * width;
        s.o = s.q + rows * width;
        s.o2 = s.o + rows * width;
        s.p = s.o2 + rows * width;
        s.ml = s.p + rows * RUN;
        /* Numbers past `size` stay zero: their sums are not looked at. */
        if (width != size) memset(s.block, 0, BLOCK * width * sizeof(float));
        for (size_t r = 0; r < rows; r++) {
            const float *from = q + (t + r / heads) * ldq + r % heads * size;
            for (size_t i = 0; i < width; i += 16) v_store(s.q + r * width + i, load_some(from, i, size));
        }
        for (size_t first = 0; first < s.n; first += RUN) attend_run(kind, &s, k, v, scale, first);
        for (size_t r = 0; r < rows; r++) {
            float *to = out + (t + r / heads) * ldo + r % heads * size;
            V inverse = v_all(1.0f / s.ml[4 * r + 1]);
            for (size_t i = 0; i < size; i += 16) store_some(to, v_mul(v_load(s.o + r * width + i), inverse), i, size);
        }
    }
}

void NAME(tern_f32_attend)(int kind, const float *q, size_t ldq, size_t tokens, size_t heads, size_t size,
                           const uint8_t *k, const uint8_t *v, size_t cell_bytes, const uint32_t *cells, size_t n,
                           float scale, float *scratch, float *out, size_t ldo) {
    size_t width = TERN_PADDED(size);
    if (kind == TERN_KV_Q8_0)
        attend(TERN_KV_Q8_0, q, ldq, tokens, heads, size, width, k, v, cell_bytes, cells, n, scale, scratch, out, ldo);
    else if (kind == TERN_KV_F32)
        attend(TERN_KV_F32, q, ldq, tokens, heads, size, width, k, v, cell_bytes, cells, n, scale, scratch, out, ldo);
    else if (size == 128)
        attend(TERN_KV_F16, q, ldq, tokens, heads, 128, 128, k, v, cell_bytes, cells, n, scale, scratch, out, ldo);
    else
        attend(TERN_KV_F16, q, ldq, tokens, heads, size, width, k, v, cell_bytes, cells, n, scale, scratch, out, ldo);
}
