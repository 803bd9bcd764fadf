/* The float kernels for AArch64, which has fused multiply-add and conversion of halves in its base. */
#include <arm_neon.h>
#define ISA neon
typedef float x16 __attribute__((vector_size(64)));
static inline __attribute__((always_inline)) x16 fused(x16 a, x16 b, x16 c) {
    float32x4_t p[4], q[4], r[4];
    __builtin_memcpy(p, &a, 64);
    __builtin_memcpy(q, &b, 64);
    __builtin_memcpy(r, &c, 64);
    for (int i = 0; i < 4; i++) r[i] = vfmaq_f32(r[i], p[i], q[i]);
    __builtin_memcpy(&c, r, 64);
    return c;
}
static inline __attribute__((always_inline)) x16 halves(const unsigned char *p) {
    float16x4_t h[4];
    float32x4_t r[4];
    __builtin_memcpy(h, p, 32);
    for (int i = 0; i < 4; i++) r[i] = vcvt_f32_f16(h[i]);
    x16 x;
    __builtin_memcpy(&x, r, 64);
    return x;
}
static inline __attribute__((always_inline)) void to_halves(unsigned char *p, x16 x) {
    float32x4_t r[4];
    float16x4_t h[4];
    __builtin_memcpy(r, &x, 64);
    for (int i = 0; i < 4; i++) h[i] = vcvt_f16_f32(r[i]);
    __builtin_memcpy(p, h, 32);
}
#define FMA fused
#define LOAD_F16 halves
#define STORE_F16 to_halves
#include "f32_body.h"
