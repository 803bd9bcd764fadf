/* The float kernels in portable C: the definition of every result. Sixteen lanes are an array of sixteen floats. */
#define ISA ref
#include "f32_common.h"

#include <math.h>

typedef struct {
    float x[16];
} V;
typedef struct {
    int32_t x[16];
} I;

#define EACH for (int i = 0; i < 16; i++)

INLINE V v_load(const float *p) { V r; memcpy(&r, p, sizeof r); return r; }
INLINE void v_store(float *p, V a) { memcpy(p, &a, sizeof a); }
INLINE V v_all(float x) { V r; EACH r.x[i] = x; return r; }
INLINE V v_add(V a, V b) { EACH a.x[i] += b.x[i]; return a; }
INLINE V v_sub(V a, V b) { EACH a.x[i] -= b.x[i]; return a; }
INLINE V v_mul(V a, V b) { EACH a.x[i] *= b.x[i]; return a; }
INLINE V v_div(V a, V b) { EACH a.x[i] /= b.x[i]; return a; }
INLINE V v_fma(V a, V b, V c) { EACH c.x[i] = fmaf(a.x[i], b.x[i], c.x[i]); return c; }
INLINE V v_max(V a, V b) { EACH a.x[i] = a.x[i] > b.x[i] ? a.x[i] : b.x[i]; return a; }
/* Lane by lane: x < limit ? a : b */
INLINE V v_if_less(V x, float limit, V a, V b) { EACH a.x[i] = x.x[i] < limit ? a.x[i] : b.x[i]; return a; }
/* 2^n from the bits of n + 12582912, for n in -126..127. */
INLINE V v_power(V t) {
    EACH {
        uint32_t b;
        memcpy(&b, &t.x[i], 4);
        b = (b << 23) + 0x3f800000;
        memcpy(&t.x[i], &b, 4);
    }
    return t;
}
INLINE float v_fold_max(V a) { float m = a.x[0]; EACH m = a.x[i] > m ? a.x[i] : m; return m; }
/* The one order in which lanes are added: the four quarters, (0 + 2) + (1 + 3), then the four lanes in the same way. */
INLINE float v_fold(V a) {
    float y[4];
    for (int i = 0; i < 4; i++) y[i] = (a.x[i] + a.x[i + 8]) + (a.x[i + 4] + a.x[i + 12]);
    return (y[0] + y[2]) + (y[1] + y[3]);
}
INLINE void v_fold4(V a, V b, V c, V d, float *out) {
    out[0] = v_fold(a), out[1] = v_fold(b), out[2] = v_fold(c), out[3] = v_fold(d);
}

INLINE I i_zero(void) { I r; EACH r.x[i] = 0; return r; }
INLINE I i_add(I a, I b) { EACH a.x[i] += b.x[i]; return a; }
/* Bits without the sign: ordered as the absolute values are, NaN above infinity. */
INLINE I i_bits(V a) { I r; memcpy(&r, &a, sizeof r); EACH r.x[i] &= 0x7fffffff; return r; }
INLINE I i_max(I a, I b) { EACH a.x[i] = a.x[i] > b.x[i] ? a.x[i] : b.x[i]; return a; }
INLINE int32_t i_fold_max(I a) { int32_t m = a.x[0]; EACH m = a.x[i] > m ? a.x[i] : m; return m; }
INLINE int32_t i_fold(I a) { int32_t s = 0; EACH s += a.x[i]; return s; }
/* Half to even; only for values that fit. */
INLINE I i_round(V a) { I r; EACH r.x[i] = (int32_t)rintf(a.x[i]); return r; }
INLINE void i_store8(int8_t *p, I a) { EACH p[i] = (int8_t)a.x[i]; }

INLINE V v_from_i32(const int32_t *p) { V r; EACH r.x[i] = (float)p[i]; return r; }
INLINE V v_from_i8(Bytes b) { V r; EACH r.x[i] = (float)(int8_t)b[i]; return r; }
INLINE V v_from_bf16(const uint8_t *p) {
    V r;
    EACH {
        uint32_t b = (uint32_t)p[2 * i] << 16 | (uint32_t)p[2 * i + 1] << 24;
        memcpy(&r.x[i], &b, 4);
    }
    return r;
}

static float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff, bits;
    if (rest >= 0x7c00) bits = 0x7f800000 | (rest & 0x3ff) << 13 | (rest > 0x7c00 ? 0x400000 : 0);
    else if (rest >= 0x400) bits = (rest << 13) + 0x38000000;
    else { /* zero and subnormals, exact in f32 */
        float f = (float)rest * 0x1p-24f;
        memcpy(&bits, &f, 4);
    }
    bits |= sign;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
static uint16_t float_to_half(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x3ff));
    if (bits >= 0x477ff000) return sign | 0x7c00; /* 65520 and above */
    if (bits < 0x38800000) { /* subnormal: adding 1/2 rounds at the right place */
        float a;
        memcpy(&a, &bits, 4);
        a += 0.5f;
        memcpy(&bits, &a, 4);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    bits += 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | ((bits >> 13) - 0x1c000));
}
INLINE V v_from_f16(const uint8_t *p) {
    V r;
    EACH r.x[i] = half_to_float((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
    return r;
}
INLINE void v_to_f16(uint8_t *p, V a) {
    EACH {
        uint16_t h = float_to_half(a.x[i]);
        memcpy(p + 2 * i, &h, 2);
    }
}
INLINE float half_at(const uint8_t *p) { return half_to_float((uint16_t)(p[0] | p[1] << 8)); }
INLINE uint16_t half_of(float x) { return float_to_half(x); }

/* Registers of one byte and one sum. */
typedef uint8_t B;
typedef int8_t Q;
typedef int32_t S;
INLINE B b_load(const uint8_t *p) { return *p; }
INLINE B b_all(uint8_t x) { return x; }
INLINE B b_and(B a, B b) { return a & b; }
INLINE B b_and_or(B a, B b, B c) { return (B)((a & b) | c); }
INLINE B b_right(B a, int n) { return (B)(a >> n); } /* bits from another byte may come in: they are masked away */
INLINE Q q_load(const int8_t *p) { return *p; }
INLINE S s_zero(void) { return 0; }
INLINE S s_add(S a, S b) { return a + b; }
/* The sum and codes (below 64) times values of a vector. */
INLINE S s_dot(S sum, B codes, Q h) { return sum + codes * h; }
INLINE void s_fold4(S a, S b, S c, S d, int32_t out[4]) { out[0] = a, out[1] = b, out[2] = c, out[3] = d; }
#define ATTEND_ROWS 1
#define TILE_ROWS 1
#define TILE_TOKENS 1
#include "f32_body.h"
