/* Norms, rounding to int8, rotary positions. Part of f32_body.h. */

/* 16 values from i on, those past n as zeros; and back. */
INLINE V load_some(const float *p, size_t i, size_t n) {
    if (n - i >= 16) return v_load(p + i);
    float a[16] = {0};
    memcpy(a, p + i, (n - i) * sizeof *p);
    return v_load(a);
}
INLINE void store_some(float *p, V x, size_t i, size_t n) {
    if (n - i >= 16) {
        v_store(p + i, x);
        return;
    }
    float a[16];
    v_store(a, x);
    memcpy(p + i, a, (n - i) * sizeof *p);
}

/* 1 / sqrt(mean(x^2) + eps): four sums of 16 lanes. */
INLINE float inverse_rms(const float *x, size_t k, float eps) {
    V s[4] = {v_all(0), v_all(0), v_all(0), v_all(0)};
    size_t i = 0;
    for (; i + 64 <= k; i += 64)
        for (int j = 0; j < 4; j++) {
            V a = v_load(x + i + 16 * j);
            s[j] = v_fma(a, a, s[j]);
        }
    for (; i < k; i += 16) {
        V a = load_some(x, i, k);
        s[0] = v_fma(a, a, s[0]);
    }
    float mean = v_fold(v_add(v_add(s[0], s[1]), v_add(s[2], s[3]))) / (float)k;
    return 1.0f / __builtin_sqrtf(mean + eps);
}

void NAME(tern_f32_norm)(const float *x, const float *g, size_t k, float eps, float *y) {
    V r = v_all(inverse_rms(x, k, eps));
    for (size_t i = 0; i < k; i += 16) {
        V a = v_mul(v_mul(load_some(x, i, k), r), load_some(g, i, k));
        store_some(y, a, i, k);
    }
}

INLINE V normalised(const float *x, const float *g, V r, size_t i, size_t k) {
    V a = load_some(x, i, k);
    return g ? v_mul(v_mul(a, r), load_some(g, i, k)) : a;
}

/* |x * s| <= m * s <= 127 (1 + 2^-24), which rounds to 127 at most: nothing needs to be clamped. */
INLINE float round_row(const float *x, const float *g, size_t k, float eps, int8_t *q, int32_t *sum) {
    float inverse = g ? inverse_rms(x, k, eps) : 1.0f;
    V r = v_all(inverse);
    I bits = i_zero();
    for (size_t i = 0; i < k; i += 16) bits = i_max(bits, i_bits(normalised(x, g, r, i, k)));
    int32_t most_bits = i_fold_max(bits);
    /* An overflown sum of squares makes r zero; anything infinite or NaN has the largest bits. */
    if (most_bits >= 0x7f800000 || !(inverse > 0)) {
        memset(q, 0, k);
        *sum = 0;
        return __builtin_nanf("");
    }
    float most;
    memcpy(&most, &most_bits, 4);
    most = most > 1e-5f ? most : 1e-5f;
    V s = v_all(127.0f / most);
    I total = i_zero();
    size_t i = 0;
    for (; i + 16 <= k; i += 16) {
        I n = i_round(v_mul(normalised(x, g, r, i, k), s));
        total = i_add(total, n);
        i_store8(q + i, n);
    }
    if (i < k) {
        I n = i_round(v_mul(normalised(x, g, r, i, k), s)); /* zeros past k */
        total = i_add(total, n);
        int8_t a[16];
        i_store8(a, n);
        memcpy(q + i, a, k - i);
    }
    *sum = i_fold(total);
    return most / 127.0f;
}

float NAME(tern_f32_round)(const float *x, const float *g, size_t k, float eps, int8_t *q, int32_t *sum) {
    return g ? round_row(x, g, k, eps, q, sum) : round_row(x, 0, k, eps, q, sum);
}

void NAME(tern_f32_rope_halves)(float *x, const float *c, const float *s, size_t dims) {
    size_t half = dims / 2;
    for (size_t i = 0; i < half; i += 16) {
        V a = load_some(x, i, half), b = load_some(x + half, i, half);
        V cc = load_some(c, i, half), ss = load_some(s, i, half);
        store_some(x, v_sub(v_mul(a, cc), v_mul(b, ss)), i, half);
        store_some(x + half, v_add(v_mul(a, ss), v_mul(b, cc)), i, half);
    }
}

void NAME(tern_f32_rope_neighbours)(float *x, const float *c, const float *s, size_t dims) {
    for (size_t i = 0; i < dims / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * c[i] - b * s[i];
        x[2 * i + 1] = a * s[i] + b * c[i];
    }
}
