/* The float kernels for AArch64, whose base has fused multiply-add and conversion of halves: sixteen lanes are four
 * registers. */
#define ISA neon
#include "f32_common.h"

#include <arm_neon.h>

typedef float32x4x4_t V;
typedef int32x4x4_t I;

#define EACH for (int i = 0; i < 4; i++)

INLINE V v_load(const float *p) { V r; EACH r.val[i] = vld1q_f32(p + 4 * i); return r; }
INLINE void v_store(float *p, V a) { EACH vst1q_f32(p + 4 * i, a.val[i]); }
INLINE V v_all(float x) { V r; EACH r.val[i] = vdupq_n_f32(x); return r; }
INLINE V v_add(V a, V b) { EACH a.val[i] = vaddq_f32(a.val[i], b.val[i]); return a; }
INLINE V v_sub(V a, V b) { EACH a.val[i] = vsubq_f32(a.val[i], b.val[i]); return a; }
INLINE V v_mul(V a, V b) { EACH a.val[i] = vmulq_f32(a.val[i], b.val[i]); return a; }
INLINE V v_div(V a, V b) { EACH a.val[i] = vdivq_f32(a.val[i], b.val[i]); return a; }
INLINE V v_fma(V a, V b, V c) { EACH c.val[i] = vfmaq_f32(c.val[i], a.val[i], b.val[i]); return c; }
INLINE V v_max(V a, V b) {
    EACH a.val[i] = vbslq_f32(vcgtq_f32(a.val[i], b.val[i]), a.val[i], b.val[i]);
    return a;
}
INLINE V v_if_less(V x, float limit, V a, V b) {
    EACH a.val[i] = vbslq_f32(vcltq_f32(x.val[i], vdupq_n_f32(limit)), a.val[i], b.val[i]);
    return a;
}
INLINE V v_power(V t) {
    EACH t.val[i] = vreinterpretq_f32_s32(
        vaddq_s32(vshlq_n_s32(vreinterpretq_s32_f32(t.val[i]), 23), vdupq_n_s32(0x3f800000)));
    return t;
}
INLINE float v_fold_max(V a) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.val[0], a.val[1]), vmaxq_f32(a.val[2], a.val[3])));
}
/* Lanes 0 + 2 and 1 + 3 of the sum of the quarters. */
INLINE float32x2_t two(V a) {
    float32x4_t y = vaddq_f32(vaddq_f32(a.val[0], a.val[2]), vaddq_f32(a.val[1], a.val[3]));
    return vadd_f32(vget_low_f32(y), vget_high_f32(y));
}
INLINE float v_fold(V a) { return vpadds_f32(two(a)); }
INLINE void v_fold4(V a, V b, V c, V d, float *out) {
    vst1q_f32(out, vpaddq_f32(vcombine_f32(two(a), two(b)), vcombine_f32(two(c), two(d))));
}

INLINE I i_zero(void) { I r; EACH r.val[i] = vdupq_n_s32(0); return r; }
INLINE I i_add(I a, I b) { EACH a.val[i] = vaddq_s32(a.val[i], b.val[i]); return a; }
INLINE I i_bits(V a) {
    I r;
    EACH r.val[i] = vandq_s32(vreinterpretq_s32_f32(a.val[i]), vdupq_n_s32(0x7fffffff));
    return r;
}
INLINE I i_max(I a, I b) { EACH a.val[i] = vmaxq_s32(a.val[i], b.val[i]); return a; }
INLINE int32_t i_fold_max(I a) {
    return vmaxvq_s32(vmaxq_s32(vmaxq_s32(a.val[0], a.val[1]), vmaxq_s32(a.val[2], a.val[3])));
}
INLINE int32_t i_fold(I a) {
    return vaddvq_s32(vaddq_s32(vaddq_s32(a.val[0], a.val[1]), vaddq_s32(a.val[2], a.val[3])));
}
INLINE I i_round(V a) { I r; EACH r.val[i] = vcvtnq_s32_f32(a.val[i]); return r; }
INLINE void i_store8(int8_t *p, I a) {
    int16x8_t lo = vcombine_s16(vmovn_s32(a.val[0]), vmovn_s32(a.val[1]));
    int16x8_t hi = vcombine_s16(vmovn_s32(a.val[2]), vmovn_s32(a.val[3]));
    vst1q_s8(p, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
}

INLINE V v_from_i32(const int32_t *p) { V r; EACH r.val[i] = vcvtq_f32_s32(vld1q_s32(p + 4 * i)); return r; }
INLINE V v_from_i8(Bytes b) {
    int8x16_t x = (int8x16_t)b;
    int16x8_t lo = vmovl_s8(vget_low_s8(x)), hi = vmovl_s8(vget_high_s8(x));
    return (V){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo))),
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)))}};
}
INLINE V v_from_bf16(const uint8_t *p) {
    V r;
    EACH {
        uint16x4_t h;
        memcpy(&h, p + 8 * i, 8);
        r.val[i] = vreinterpretq_f32_u32(vshll_n_u16(h, 16));
    }
    return r;
}
INLINE V v_from_f16(const uint8_t *p) {
    V r;
    EACH {
        float16x4_t h;
        memcpy(&h, p + 8 * i, 8);
        r.val[i] = vcvt_f32_f16(h);
    }
    return r;
}
INLINE void v_to_f16(uint8_t *p, V a) {
    EACH {
        float16x4_t h = vcvt_f16_f32(a.val[i]);
        memcpy(p + 8 * i, &h, 8);
    }
}
INLINE float half_at(const uint8_t *p) {
    __fp16 h;
    memcpy(&h, p, 2);
    return h;
}
INLINE uint16_t half_of(float x) {
    __fp16 h = (__fp16)x;
    uint16_t bits;
    memcpy(&bits, &h, 2);
    return bits;
}

typedef uint8x16_t B;
typedef int8x16_t Q;
typedef int32x4_t S;
INLINE B b_load(const uint8_t *p) { return vld1q_u8(p); }
INLINE B b_all(uint8_t x) { return vdupq_n_u8(x); }
INLINE B b_and(B a, B b) { return vandq_u8(a, b); }
INLINE B b_and_or(B a, B b, B c) { return vorrq_u8(vandq_u8(a, b), c); }
INLINE B b_right(B a, int n) { return vshlq_u8(a, vdupq_n_s8((int8_t)-n)); }
INLINE Q q_load(const int8_t *p) { return vld1q_s8(p); }
INLINE S s_zero(void) { return vdupq_n_s32(0); }
INLINE S s_add(S a, S b) { return vaddq_s32(a, b); }
INLINE S s_dot(S sum, B codes, Q h) {
    const int8x16_t x = vreinterpretq_s8_u8(codes);
    /* Two products are at most 2 * 63 * 127 = 16 002. */
    return vpadalq_s16(sum, vmlal_s8(vmull_high_s8(x, h), vget_low_s8(x), vget_low_s8(h)));
}
INLINE void s_fold4(S a, S b, S c, S d, int32_t out[4]) {
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}
/* 4 sums of a score tile, 2 x 2 of a head tile, each four of 32 registers. */
#define ATTEND_ROWS 1
#define TILE_ROWS 1
#define TILE_TOKENS 2
#include "f32_body.h"
