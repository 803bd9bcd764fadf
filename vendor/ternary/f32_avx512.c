/* The float kernels for AVX-512 (F, BW, VL, DQ, VNNI): sixteen lanes are one register. */
#define ISA avx512
#include "f32_common.h"

#include <immintrin.h>

typedef __m512 V;
typedef __m512i I;

INLINE V v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(float *p, V a) { _mm512_storeu_ps(p, a); }
INLINE V v_all(float x) { return _mm512_set1_ps(x); }
INLINE V v_add(V a, V b) { return _mm512_add_ps(a, b); }
INLINE V v_sub(V a, V b) { return _mm512_sub_ps(a, b); }
INLINE V v_mul(V a, V b) { return _mm512_mul_ps(a, b); }
INLINE V v_div(V a, V b) { return _mm512_div_ps(a, b); }
INLINE V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
INLINE V v_max(V a, V b) { return _mm512_max_ps(a, b); }
INLINE V v_if_less(V x, float limit, V a, V b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_LT_OQ), b, a);
}
INLINE V v_power(V t) {
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_slli_epi32(_mm512_castps_si512(t), 23), _mm512_set1_epi32(0x3f800000)));
}
INLINE float v_fold_max(V a) { return _mm512_reduce_max_ps(a); }
INLINE __m128 quarters(V a) {
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    return _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
}
INLINE float v_fold(V a) {
    __m128 y = quarters(a);
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}
INLINE void v_fold4(V a, V b, V c, V d, float *out) {
    V ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    V cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    V y = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    y = _mm512_add_ps(y, _mm512_permute_ps(y, 0x4e));
    y = _mm512_add_ps(y, _mm512_permute_ps(y, 0xb1));
    __m512i first = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
    _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_permutexvar_ps(first, y)));
}

INLINE I i_zero(void) { return _mm512_setzero_si512(); }
INLINE I i_add(I a, I b) { return _mm512_add_epi32(a, b); }
INLINE I i_bits(V a) { return _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff)); }
INLINE I i_max(I a, I b) { return _mm512_max_epi32(a, b); }
INLINE int32_t i_fold_max(I a) { return _mm512_reduce_max_epi32(a); }
INLINE int32_t i_fold(I a) { return _mm512_reduce_add_epi32(a); }
INLINE I i_round(V a) { return _mm512_cvt_roundps_epi32(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE void i_store8(int8_t *p, I a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a)); }

INLINE V v_from_i32(const int32_t *p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }
INLINE V v_from_i8(Bytes b) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32((__m128i)b)); }
INLINE V v_from_bf16(const uint8_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
INLINE V v_from_f16(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE void v_to_f16(uint8_t *p, V a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE float half_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return _cvtsh_ss(h);
}
INLINE uint16_t half_of(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }

typedef __m512i B;
typedef __m512i Q;
typedef __m512i S;
INLINE B b_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE B b_all(uint8_t x) { return _mm512_set1_epi8((char)x); }
INLINE B b_and(B a, B b) { return _mm512_and_si512(a, b); }
INLINE B b_and_or(B a, B b, B c) { return _mm512_ternarylogic_epi32(a, b, c, 0xEA); }
INLINE B b_right(B a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
INLINE Q q_load(const int8_t *p) { return _mm512_loadu_si512(p); }
INLINE S s_zero(void) { return _mm512_setzero_si512(); }
INLINE S s_add(S a, S b) { return _mm512_add_epi32(a, b); }
/* As assembly for the reason in avx512.h. */
INLINE S s_dot(S sum, B codes, Q h) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(h));
    return sum;
}
INLINE void s_fold4(S v0, S v1, S v2, S v3, int32_t out[4]) {
    const S a = _mm512_add_epi32(_mm512_unpacklo_epi32(v0, v1), _mm512_unpackhi_epi32(v0, v1));
    const S b = _mm512_add_epi32(_mm512_unpacklo_epi32(v2, v3), _mm512_unpackhi_epi32(v2, v3));
    const S c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m256i d = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
    _mm_storeu_si128((__m128i *)out, _mm_add_epi32(_mm256_castsi256_si128(d), _mm256_extracti128_si256(d, 1)));
}
/* 2 x 4 sums of a score tile, 2 x 4 x 2 of a head tile: of 32 registers. */
#define ATTEND_ROWS 2
#define TILE_ROWS 2
#define TILE_TOKENS 4
#include "f32_body.h"
