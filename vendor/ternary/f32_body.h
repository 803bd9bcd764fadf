/* The one text of the float kernels. A file for an instruction set defines ISA and LOAD_F16 / STORE_F16 (16 halves to and
 * from a vector) and includes this; the vector types below become whatever registers its flags allow.
 *
 * Every sum runs over 16 lanes in the order of the data and is folded in a fixed order, so all sets add in the same
 * order; where the processor has fused multiply-add it is used. */
#include "floats.h"

#include <string.h>

typedef float v16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t i16x __attribute__((vector_size(64)));
typedef int8_t b16 __attribute__((vector_size(16)));

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(name) JOIN(name, ISA)
#define INLINE static inline __attribute__((always_inline))

INLINE v16 load(const float *p) {
    v16 x;
    memcpy(&x, p, sizeof x);
    return x;
}
INLINE void store(float *p, v16 x) { memcpy(p, &x, sizeof x); }
INLINE v16 all(float x) { return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
/* Lane by lane a where m is set, b elsewhere. */
INLINE v16 choose(i16x m, v16 a, v16 b) { return (v16)((m & (i16x)a) | (~m & (i16x)b)); }
INLINE v16 larger(v16 a, v16 b) { return choose(a > b, a, b); }
INLINE v16 absolute(v16 a) { return (v16)((i16x)a & 0x7fffffff); }
/* Half to even, for |x| < 2^22. */
INLINE v16 nearest(v16 x) { return (x + 12582912.0f) - 12582912.0f; }

#ifdef FMA
INLINE v16 fma16(v16 a, v16 b, v16 c) { return FMA(a, b, c); }
#else
INLINE v16 fma16(v16 a, v16 b, v16 c) { return a * b + c; }
#endif

INLINE v4 fold4(v16 x) {
    v8 h[2];
    memcpy(h, &x, sizeof h);
    v8 e = h[0] + h[1];
    v4 q[2];
    memcpy(q, &e, sizeof q);
    return q[0] + q[1];
}
INLINE float fold(v16 x) {
    v4 y = fold4(x);
    return (y[0] + y[1]) + (y[2] + y[3]);
}
INLINE float fold_max(v16 x) {
    float a[16], m;
    store(a, x);
    m = a[0];
    for (int i = 1; i < 16; i++) m = a[i] > m ? a[i] : m;
    return m;
}

/* e^x within 2 ulp for x <= 88; below -87.3 it is 0. Cody and Waite's reduction, a polynomial of degree 6. */
INLINE v16 exponential(v16 x) {
    i16x tiny = x < -87.3f;
    x = choose(x > 88.0f, all(88.0f), x);
    x = choose(tiny, all(-87.0f), x);
    v16 n = nearest(x * 1.44269504088896341f);
    v16 r = fma16(n, all(-0.693359375f), x);
    r = fma16(n, all(2.12194440e-4f), r);
    v16 p = all(1.9875691500e-4f);
    p = fma16(p, r, all(1.3981999507e-3f));
    p = fma16(p, r, all(8.3334519073e-3f));
    p = fma16(p, r, all(4.1665795894e-2f));
    p = fma16(p, r, all(1.6666665459e-1f));
    p = fma16(p, r, all(5.0000001201e-1f));
    p = fma16(p, r * r, r) + 1.0f;
    i16x power = (__builtin_convertvector(n, i16x) + 127) << 23;
    return choose(tiny, all(0.0f), p * (v16)power);
}

/* The tail of a vector that is no multiple of 16, filled up with zeros. */
INLINE v16 load_tail(const float *p, size_t n) {
    float a[16] = {0};
    memcpy(a, p, n * sizeof *p);
    return load(a);
}
INLINE void store_tail(float *p, v16 x, size_t n) {
    float a[16];
    store(a, x);
    memcpy(p, a, n * sizeof *p);
}
INLINE v16 load_some(const float *p, size_t i, size_t n) {
    return n - i >= 16 ? load(p + i) : load_tail(p + i, n - i);
}
INLINE void store_some(float *p, v16 x, size_t i, size_t n) {
    if (n - i >= 16) store(p + i, x);
    else store_tail(p + i, x, n - i);
}

/* 1 / sqrt(mean(x^2) + eps) */
INLINE float inverse_rms(const float *x, size_t k, float eps) {
    v16 s[4] = {all(0), all(0), all(0), all(0)};
    size_t i = 0;
    for (; i + 64 <= k; i += 64)
        for (int j = 0; j < 4; j++) {
            v16 a = load(x + i + 16 * j);
            s[j] = fma16(a, a, s[j]);
        }
    for (; i < k; i += 16) {
        v16 a = load_some(x, i, k);
        s[0] = fma16(a, a, s[0]);
    }
    float mean = fold((s[0] + s[1]) + (s[2] + s[3])) / (float)k;
    return 1.0f / __builtin_sqrtf(mean + eps);
}

void NAME(tern_f32_norm)(const float *x, const float *g, size_t k, float eps, float *y) {
    float r = inverse_rms(x, k, eps);
    for (size_t i = 0; i < k; i += 16) store_some(y, load_some(x, i, k) * r * load_some(g, i, k), i, k);
}

INLINE v16 scaled(const float *x, const float *g, float r, size_t i, size_t k) {
    v16 a = load_some(x, i, k);
    return g ? a * r * load_some(g, i, k) : a;
}

float NAME(tern_f32_round)(const float *x, const float *g, size_t k, float eps, int8_t *q, int32_t *sum) {
    float r = g ? inverse_rms(x, k, eps) : 1.0f;
    v16 m = all(1e-5f);
    for (size_t i = 0; i < k; i += 16) m = larger(absolute(scaled(x, g, r, i, k)), m);
    float most = fold_max(m);
    float s = 127.0f / most;
    i16x total = {0};
    for (size_t i = 0; i < k; i += 16) {
        v16 a = scaled(x, g, r, i, k) * s;
        a = choose(a > -127.0f, a, all(-127.0f));
        a = choose(a < 127.0f, a, all(127.0f));
        i16x n = __builtin_convertvector(nearest(a), i16x);
        b16 b = __builtin_convertvector(n, b16);
        size_t left = k - i;
        if (left >= 16) {
            total += n;
            memcpy(q + i, &b, 16);
        } else {
            memcpy(q + i, &b, left);
            for (size_t j = 0; j < left; j++) total[0] += n[j];
        }
    }
    int32_t t = 0;
    for (int j = 0; j < 16; j++) t += total[j];
    *sum = t;
    return most / 127.0f;
}

void NAME(tern_f32_rope_halves)(float *x, const float *c, const float *s, size_t dims) {
    size_t half = dims / 2;
    for (size_t i = 0; i < half; i += 16) {
        v16 a = load_some(x, i, half), b = load_some(x + half, i, half);
        v16 cc = load_some(c, i, half), ss = load_some(s, i, half);
        store_some(x, a * cc - b * ss, i, half);
        store_some(x + half, a * ss + b * cc, i, half);
    }
}

void NAME(tern_f32_rope_neighbours)(float *x, const float *c, const float *s, size_t dims) {
    for (size_t i = 0; i < dims / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * c[i] - b * s[i];
        x[2 * i + 1] = a * s[i] + b * c[i];
    }
}

INLINE float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff, bits;
    if (rest >= 0x7c00) bits = 0x7f800000 | (rest & 0x3ff) << 13;
    else if (rest >= 0x400) bits = (rest << 13) + 0x38000000;
    else { /* zero and subnormals: exact in f32 */
        float f = (float)rest * 5.9604644775390625e-8f;
        memcpy(&bits, &f, 4);
    }
    bits |= sign;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
INLINE uint16_t float_to_half(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits >= 0x7f800000) return sign | 0x7c00 | (bits > 0x7f800000 ? 0x200 : 0);
    if (bits >= 0x477ff000) return sign | 0x7c00; /* rounds to infinity */
    if (bits < 0x38800000) { /* subnormal: let the float unit round at the right place */
        float a;
        memcpy(&a, &bits, 4);
        a += 0.5f;
        memcpy(&bits, &a, 4);
        return sign | (uint16_t)(bits - 0x3f000000);
    }
    bits += 0xc8000fff + (bits >> 13 & 1);
    return sign | (uint16_t)(bits >> 13);
}
#ifndef LOAD_F16
INLINE v16 LOAD_F16(const uint8_t *p) {
    uint16_t h[16];
    memcpy(h, p, sizeof h);
    float a[16];
    for (int i = 0; i < 16; i++) a[i] = half_to_float(h[i]);
    return load(a);
}
INLINE void STORE_F16(uint8_t *p, v16 x) {
    float a[16];
    uint16_t h[16];
    store(a, x);
    for (int i = 0; i < 16; i++) h[i] = float_to_half(a[i]);
    memcpy(p, h, sizeof h);
}
#endif

#define Q8_BLOCK 34

INLINE v16 load_bytes(const uint8_t *p) {
    b16 b;
    memcpy(&b, p, 16);
    return __builtin_convertvector(b, v16);
}
INLINE float half_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return half_to_float(h);
}

/* 16 numbers of a cell from number i on (i % 16 == 0); those past n are zero. */
INLINE v16 load_cell(int kind, const uint8_t *cell, size_t i, size_t n) {
    if (kind == TERN_KV_Q8_0) {
        const uint8_t *block = cell + i / 32 * Q8_BLOCK;
        return load_bytes(block + 2 + i % 32) * half_at(block);
    }
    if (kind == TERN_KV_F32) return load_some((const float *)cell, i, n);
    if (n - i >= 16) return LOAD_F16(cell + 2 * i);
    uint8_t h[32] = {0};
    memcpy(h, cell + 2 * i, 2 * (n - i));
    return LOAD_F16(h);
}

void NAME(tern_f32_store)(int kind, const float *x, size_t n, uint8_t *cell) {
    if (kind == TERN_KV_Q8_0) {
        for (size_t i = 0; i < n; i += 32, cell += Q8_BLOCK) {
            v16 a = load(x + i), b = load(x + i + 16);
            float most = fold_max(larger(absolute(a), absolute(b)));
            uint16_t d = float_to_half(most / 127.0f);
            float inverse = most > 0 ? 127.0f / most : 0.0f;
            memcpy(cell, &d, 2);
            b16 lo = __builtin_convertvector(__builtin_convertvector(nearest(a * inverse), i16x), b16);
            b16 hi = __builtin_convertvector(__builtin_convertvector(nearest(b * inverse), i16x), b16);
            memcpy(cell + 2, &lo, 16);
            memcpy(cell + 18, &hi, 16);
        }
        return;
    }
    if (kind == TERN_KV_F32) {
        memcpy(cell, x, n * sizeof *x);
        return;
    }
    size_t i = 0;
    for (; i + 16 <= n; i += 16) STORE_F16(cell + 2 * i, load(x + i));
    if (i < n) {
        uint8_t h[32];
        STORE_F16(h, load_tail(x + i, n - i));
        memcpy(cell + 2 * i, h, 2 * (n - i));
    }
}

/* Scores of one key against `heads` queries, four at a time so that their sums are folded together. */
INLINE void scores_of(int kind, const float *q, size_t heads, size_t size, const uint8_t *cell, float scale,
                      float *scores, size_t stride) {
    size_t h = 0;
    for (; h + 4 <= heads; h += 4) {
        v16 s0 = all(0), s1 = all(0), s2 = all(0), s3 = all(0);
        const float *p = q + h * size;
        for (size_t i = 0; i < size; i += 16) {
            v16 k = load_cell(kind, cell, i, size);
            s0 = fma16(load_some(p, i, size), k, s0);
            s1 = fma16(load_some(p + size, i, size), k, s1);
            s2 = fma16(load_some(p + 2 * size, i, size), k, s2);
            s3 = fma16(load_some(p + 3 * size, i, size), k, s3);
        }
        v4 f0 = fold4(s0), f1 = fold4(s1), f2 = fold4(s2), f3 = fold4(s3);
        scores[h * stride] = ((f0[0] + f0[1]) + (f0[2] + f0[3])) * scale;
        scores[(h + 1) * stride] = ((f1[0] + f1[1]) + (f1[2] + f1[3])) * scale;
        scores[(h + 2) * stride] = ((f2[0] + f2[1]) + (f2[2] + f2[3])) * scale;
        scores[(h + 3) * stride] = ((f3[0] + f3[1]) + (f3[2] + f3[3])) * scale;
    }
    for (; h < heads; h++) {
        v16 s = all(0);
        for (size_t i = 0; i < size; i += 16)
            s = fma16(load_some(q + h * size, i, size), load_cell(kind, cell, i, size), s);
        scores[h * stride] = fold(s) * scale;
    }
}

/* 32 (or the last 16) numbers of the outputs of up to four heads, over all cells. */
INLINE void weighted(int kind, size_t heads, size_t size, size_t at, int two, const uint8_t *v, size_t cell_bytes,
                     const uint32_t *cells, size_t n, const float *p, size_t stride, const float *inverse,
                     float *out) {
    v16 a[4] = {all(0), all(0), all(0), all(0)}, b[4] = {all(0), all(0), all(0), all(0)};
    for (size_t c = 0; c < n; c++) {
        const uint8_t *cell = v + (size_t)cells[c] * cell_bytes;
        v16 x = load_cell(kind, cell, at, size);
        v16 y = two ? load_cell(kind, cell, at + 16, size) : x;
        for (size_t h = 0; h < heads; h++) {
            v16 w = all(p[h * stride + c]);
            a[h] = fma16(w, x, a[h]);
            if (two) b[h] = fma16(w, y, b[h]);
        }
    }
    for (size_t h = 0; h < heads; h++) {
        store_some(out + h * size, a[h] * inverse[h], at, size);
        if (two) store_some(out + h * size, b[h] * inverse[h], at + 16, size);
    }
}

INLINE void attend_kind(int kind, const float *q, size_t heads, size_t size, const uint8_t *k, const uint8_t *v,
                        size_t cell_bytes, const uint32_t *cells, size_t n, float scale, float *scores, float *out) {
    size_t stride = (n + 15) / 16 * 16;
    for (size_t c = 0; c < n; c++) scores_of(kind, q, heads, size, k + (size_t)cells[c] * cell_bytes, scale, scores + c, stride);
    for (size_t h = 0; h < heads; h += 4) {
        size_t some = heads - h < 4 ? heads - h : 4;
        float inverse[4];
        for (size_t j = 0; j < some; j++) {
            float *p = scores + (h + j) * stride;
            for (size_t c = n; c < stride; c++) p[c] = -__builtin_inff();
            v16 m = load(p);
            for (size_t c = 16; c < stride; c += 16) m = larger(load(p + c), m);
            float most = fold_max(m);
            v16 sum = all(0);
            for (size_t c = 0; c < stride; c += 16) {
                v16 e = exponential(load(p + c) - most);
                store(p + c, e);
                sum += e;
            }
            inverse[j] = 1.0f / fold(sum);
        }
        const float *p = scores + h * stride;
        float *o = out + h * size;
        for (size_t at = 0; at < size; at += 32) {
            int two = at + 16 < size;
            if (some == 4 && two) weighted(kind, 4, size, at, 1, v, cell_bytes, cells, n, p, stride, inverse, o);
            else weighted(kind, some, size, at, two, v, cell_bytes, cells, n, p, stride, inverse, o);
        }
    }
}

void NAME(tern_f32_attend)(int kind, const float *q, size_t heads, size_t size, const uint8_t *k, const uint8_t *v,
                           size_t cell_bytes, const uint32_t *cells, size_t n, float scale, float *scores, float *out) {
    if (kind == TERN_KV_Q8_0)
        attend_kind(TERN_KV_Q8_0, q, heads, size, k, v, cell_bytes, cells, n, scale, scores, out);
    else if (kind == TERN_KV_F32)
        attend_kind(TERN_KV_F32, q, heads, size, k, v, cell_bytes, cells, n, scale, scores, out);
    else if (size == 128)
        attend_kind(TERN_KV_F16, q, heads, 128, k, v, cell_bytes, cells, n, scale, scores, out);
    else
        attend_kind(TERN_KV_F16, q, heads, size, k, v, cell_bytes, cells, n, scale, scores, out);
}

INLINE v16 gate_of(int f, v16 g) {
    if (f == 0) {
        v16 p = choose(g > 0.0f, g, all(0.0f));
        return p * p;
    }
    if (f == 1) return g / (1.0f + exponential(-g));
    /* gelu by tanh: g * sigmoid(2 * sqrt(2/pi) * (g + 0.044715 g^3)) */
    v16 inner = 1.5957691216057308f * (g + 0.044715f * g * g * g);
    return g / (1.0f + exponential(-inner));
}

void NAME(tern_f32_gate_sums)(int f, const int32_t *g, const int32_t *u, float sg, float su, size_t n, float *z) {
    for (size_t i = 0; i < n; i += 16) {
        int32_t a[16] = {0}, b[16] = {0};
        size_t some = n - i < 16 ? n - i : 16;
        memcpy(a, g + i, some * 4);
        memcpy(b, u + i, some * 4);
        i16x x, y;
        memcpy(&x, a, 64);
        memcpy(&y, b, 64);
        v16 r = gate_of(f, __builtin_convertvector(x, v16) * sg) * (__builtin_convertvector(y, v16) * su);
        store_some(z, r, i, n);
    }
}

void NAME(tern_f32_gate)(int f, const float *g, size_t n, float *z) {
    for (size_t i = 0; i < n; i += 16) store_some(z, gate_of(f, load_some(g, i, n)) * load_some(z, i, n), i, n);
}

/* 32 values of a row from value i on, i % 32 == 0. */
INLINE void load_row(int kind, const uint8_t *row, size_t i, v16 *a, v16 *b) {
    if (kind == TERN_ROWS_F32) {
        memcpy(a, row + 4 * i, 64);
        memcpy(b, row + 4 * i + 64, 64);
    } else if (kind == TERN_ROWS_F16) {
        *a = LOAD_F16(row + 2 * i);
        *b = LOAD_F16(row + 2 * i + 32);
    } else if (kind == TERN_ROWS_BF16) {
        typedef uint16_t u16x16 __attribute__((vector_size(32)));
        typedef uint32_t u32x16 __attribute__((vector_size(64)));
        u16x16 h[2];
        memcpy(h, row + 2 * i, 64);
        *a = (v16)(__builtin_convertvector(h[0], u32x16) << 16);
        *b = (v16)(__builtin_convertvector(h[1], u32x16) << 16);
    } else if (kind == TERN_ROWS_Q8_0) {
        const uint8_t *block = row + i / 32 * Q8_BLOCK;
        float d = half_at(block);
        *a = load_bytes(block + 2) * d;
        *b = load_bytes(block + 18) * d;
    } else {
        /* Superblock of 256: 128 bytes of low nibbles, 64 of upper bit pairs, 16 int8 scales, a half. Two runs of 128
         * values; of run r, values 32j .. 32j+31 take bytes 32*(j%2) .. of its 64 low bytes (low nibbles for j < 2)
         * and bits 2j, 2j+1 of its 32 upper bytes. */
        const uint8_t *super = row + i / 256 * 210;
        size_t r = i % 256 / 128, j = i % 128 / 32;
        const uint8_t *low = super + r * 64 + 32 * (j % 2), *high = super + 128 + r * 32;
        const int8_t *scales = (const int8_t *)super + 192 + r * 8 + 2 * j;
        float d = half_at(super + 208);
        int8_t x[32];
        for (int t = 0; t < 32; t++)
            x[t] = (int8_t)(((j < 2 ? low[t] & 15 : low[t] >> 4) | (high[t] >> (2 * j) & 3) << 4) - 32);
        *a = load_bytes((const uint8_t *)x) * (d * scales[0]);
        *b = load_bytes((const uint8_t *)x + 16) * (d * scales[1]);
    }
}

/* One row against up to four vectors; the lanes of each sum are the same however many there are. */
INLINE void row_dots(int kind, const uint8_t *row, size_t k, const float *h, size_t n, float *out, size_t ldo) {
    v16 a[4] = {all(0), all(0), all(0), all(0)}, b[4] = {all(0), all(0), all(0), all(0)};
    for (size_t i = 0; i < k; i += 32) {
        v16 x, y;
        load_row(kind, row, i, &x, &y);
        __builtin_prefetch(row + i * 2 + 8192, 0, 0);
        for (size_t t = 0; t < n; t++) {
            a[t] = fma16(load(h + t * k + i), x, a[t]);
            b[t] = fma16(load(h + t * k + i + 16), y, b[t]);
        }
    }
    for (size_t t = 0; t < n; t++) out[t * ldo] = fold(a[t] + b[t]);
}

INLINE void rows_kind(int kind, const uint8_t *rows, size_t row_bytes, size_t count, size_t k, const float *h, size_t n,
                      float *out, size_t ldo) {
    for (size_t r = 0; r < count; r++, rows += row_bytes) {
        size_t t = 0;
        for (; t + 4 <= n; t += 4) row_dots(kind, rows, k, h + t * k, 4, out + t * ldo + r, ldo);
        for (; t < n; t++) row_dots(kind, rows, k, h + t * k, 1, out + t * ldo + r, ldo);
    }
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

/* Integers may be added in any order, so the compiler makes this vector code (vpmaddwd, vpdpwssd, smlal). */
void NAME(tern_f32_screen)(const int8_t *rows, size_t count, size_t k, const int16_t *h, int32_t *d) {
    for (size_t r = 0; r < count; r++, rows += k) {
        int32_t sum = 0;
        for (size_t i = 0; i < k; i++) sum += (int16_t)rows[i] * h[i];
        d[r] = sum;
    }
}
