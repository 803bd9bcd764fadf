/* The float kernels for AVX2 with FMA and F16C: sixteen lanes are two registers. */
#define ISA avx2
#include "f32_common.h"

#include <immintrin.h>

typedef struct {
    __m256 a, b;
} V;
typedef struct {
    __m256i a, b;
} I;

#define BOTH(f, x, y) ((V){f((x).a, (y).a), f((x).b, (y).b)})
#define BOTH_I(f, x, y) ((I){f((x).a, (y).a), f((x).b, (y).b)})

INLINE V v_load(const float *p) { return (V){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
INLINE void v_store(float *p, V a) {
    _mm256_storeu_ps(p, a.a);
    _mm256_storeu_ps(p + 8, a.b);
}
INLINE V v_all(float x) { return (V){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INLINE V v_add(V a, V b) { return BOTH(_mm256_add_ps, a, b); }
INLINE V v_sub(V a, V b) { return BOTH(_mm256_sub_ps, a, b); }
INLINE V v_mul(V a, V b) { return BOTH(_mm256_mul_ps, a, b); }
INLINE V v_div(V a, V b) { return BOTH(_mm256_div_ps, a, b); }
INLINE V v_fma(V a, V b, V c) { return (V){_mm256_fmadd_ps(a.a, b.a, c.a), _mm256_fmadd_ps(a.b, b.b, c.b)}; }
INLINE V v_max(V a, V b) { return BOTH(_mm256_max_ps, a, b); }
INLINE V v_if_less(V x, float limit, V a, V b) {
    __m256 l = _mm256_set1_ps(limit);
    return (V){_mm256_blendv_ps(b.a, a.a, _mm256_cmp_ps(x.a, l, _CMP_LT_OQ)),
               _mm256_blendv_ps(b.b, a.b, _mm256_cmp_ps(x.b, l, _CMP_LT_OQ))};
}
INLINE __m256 power8(__m256 t) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(t), 23), _mm256_set1_epi32(0x3f800000)));
}
INLINE V v_power(V t) { return (V){power8(t.a), power8(t.b)}; }
INLINE float v_fold_max(V a) {
    __m256 y = _mm256_max_ps(a.a, a.b);
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
INLINE float v_fold(V a) {
    __m256 e = _mm256_add_ps(a.a, a.b);
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}
INLINE void v_fold4(V a, V b, V c, V d, float *out) {
    __m256 x = _mm256_add_ps(a.a, a.b), y = _mm256_add_ps(b.a, b.b);
    __m256 z = _mm256_add_ps(c.a, c.b), w = _mm256_add_ps(d.a, d.b);
    __m256 xy = _mm256_add_ps(_mm256_permute2f128_ps(x, y, 0x20), _mm256_permute2f128_ps(x, y, 0x31));
    __m256 zw = _mm256_add_ps(_mm256_permute2f128_ps(z, w, 0x20), _mm256_permute2f128_ps(z, w, 0x31));
    /* xy has four lanes of x and four of y; zw alike. */
    __m256 pairs = _mm256_add_ps(_mm256_unpacklo_ps(xy, zw), _mm256_unpackhi_ps(xy, zw));
    pairs = _mm256_add_ps(pairs, _mm256_permute_ps(pairs, 0x4e));
    /* Lanes 0, 1: x, z; lanes 4, 5: y, w. */
    _mm_storeu_ps(out, _mm_unpacklo_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

INLINE I i_zero(void) { return (I){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
INLINE I i_add(I a, I b) { return BOTH_I(_mm256_add_epi32, a, b); }
INLINE I i_bits(V a) {
    __m256i m = _mm256_set1_epi32(0x7fffffff);
    return (I){_mm256_and_si256(_mm256_castps_si256(a.a), m), _mm256_and_si256(_mm256_castps_si256(a.b), m)};
}
INLINE I i_max(I a, I b) { return BOTH_I(_mm256_max_epi32, a, b); }
INLINE int32_t i_fold_max(I a) {
    int32_t x[8], m;
    _mm256_storeu_si256((__m256i *)x, _mm256_max_epi32(a.a, a.b));
    m = x[0];
    for (int i = 1; i < 8; i++) m = x[i] > m ? x[i] : m;
    return m;
}
INLINE int32_t sum8(__m256i a) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
INLINE int32_t i_fold(I a) { return sum8(_mm256_add_epi32(a.a, a.b)); }
/* By the rounding mode of the thread, which Rust never changes from nearest even. */
INLINE I i_round(V a) { return (I){_mm256_cvtps_epi32(a.a), _mm256_cvtps_epi32(a.b)}; }
INLINE void i_store8(int8_t *p, I a) {
    __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.a, a.b), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1)));
}

INLINE V v_from_i32(const int32_t *p) {
    return (V){_mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)p)),
               _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(p + 8)))};
}
INLINE V v_from_i8(Bytes b) {
    __m128i x = (__m128i)b;
    return (V){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)),
               _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(x, x)))};
}
INLINE __m256 bf16x8(const uint8_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
INLINE V v_from_bf16(const uint8_t *p) { return (V){bf16x8(p), bf16x8(p + 16)}; }
INLINE V v_from_f16(const uint8_t *p) {
    return (V){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
               _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16)))};
}
INLINE void v_to_f16(uint8_t *p, V a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 16), _mm256_cvtps_ph(a.b, _MM_FROUND_TO_NEAREST_INT));
}
INLINE float half_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return _cvtsh_ss(h);
}
INLINE uint16_t half_of(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }

typedef __m256i B;
typedef __m256i Q;
typedef __m256i S;
INLINE B b_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE B b_all(uint8_t x) { return _mm256_set1_epi8((char)x); }
INLINE B b_and(B a, B b) { return _mm256_and_si256(a, b); }
INLINE B b_and_or(B a, B b, B c) { return _mm256_or_si256(_mm256_and_si256(a, b), c); }
INLINE B b_right(B a, int n) { return _mm256_srli_epi32(a, n); }
INLINE Q q_load(const int8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE S s_zero(void) { return _mm256_setzero_si256(); }
INLINE S s_add(S a, S b) { return _mm256_add_epi32(a, b); }
/* A sum of two is at most 2 * 63 * 127 = 16 002, of four twice that, which 16 bits hold. */
INLINE S s_dot(S sum, B codes, Q h) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, h), _mm256_set1_epi16(1)));
}
#define S_DOT2
INLINE S s_dot2(S sum, B c, B d, Q h, Q i) {
    const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(c, h), _mm256_maddubs_epi16(d, i));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
INLINE void s_fold4(S a, S b, S c, S d, int32_t out[4]) {
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    _mm_storeu_si128((__m128i *)out, _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
}
/* 4 sums of a score tile, 2 x 2 of a head tile, each two of 16 registers. */
#define ATTEND_ROWS 1
#define TILE_ROWS 1
#define TILE_TOKENS 2
#include "f32_body.h"
