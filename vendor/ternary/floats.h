/* What stands between the ternary products, in f32: norms, rounding to int8, rotary positions, the cache, attention, gates,
 * heads.
 *
 * The result for one token never depends on other tokens of a call: the order of operations is fixed by the sizes alone.
 * It does depend on the instruction set (fused multiply-add), within the tolerances that tests/floats.rs names.
 * All lengths are checked by the Rust wrapper (engines/ternary). Pointers need no alignment beyond their type's. */
#ifndef TERN_FLOATS_H
#define TERN_FLOATS_H

#include <stddef.h>
#include <stdint.h>

/* How keys and values are stored: halves, blocks of a half d and 32 int8 with value = d * int8, or floats. */
#define TERN_KV_F16 0
#define TERN_KV_Q8_0 1
#define TERN_KV_F32 2

/* How the rows of a head are stored. */
#define TERN_ROWS_F32 0
#define TERN_ROWS_F16 1
#define TERN_ROWS_BF16 2
#define TERN_ROWS_Q8_0 3
#define TERN_ROWS_Q6_K 4

#define TERN_DECLARE_FLOATS(isa)                                                                                       \
    /* y = x * g / sqrt(mean(x^2) + eps), over k values; y may be x. */                                                \
    void tern_f32_norm_##isa(const float *x, const float *g, size_t k, float eps, float *y);                           \
    /* Rounds x (normalised first if g is not NULL) to int8 by the scheme of BitNet b1.58: m = max(1e-5, max|x|),      \
     * q = round_half_even(x * (127 / m)) within -127..127. Returns m / 127; *sum is the sum of q. NaN becomes -127. */ \
    float tern_f32_round_##isa(const float *x, const float *g, size_t k, float eps, int8_t *q, int32_t *sum);          \
    /* Rotates pairs of one head by angles [dims/2]: i with i + dims/2, or 2i with 2i + 1. */                          \
    void tern_f32_rope_halves_##isa(float *x, const float *cosine, const float *sine, size_t dims);                    \
    void tern_f32_rope_neighbours_##isa(float *x, const float *cosine, const float *sine, size_t dims);                \
    /* One head's numbers into a cell of the cache; Q8_0 needs n % 32 == 0. */                                         \
    void tern_f32_store_##isa(int kind, const float *x, size_t n, uint8_t *cell);                                      \
    /* Attention of one token: `heads` queries [heads][size] share the keys and values of `n` cells. Cell c of a        \
     * head lies at k + cells[c] * cell_bytes. out [heads][size]; scores: scratch of heads * round_up(n, 16) floats. */ \
    void tern_f32_attend_##isa(int kind, const float *q, size_t heads, size_t size, const uint8_t *k,                  \
                               const uint8_t *v, size_t cell_bytes, const uint32_t *cells, size_t n, float scale,      \
                               float *scores, float *out);                                                             \
    /* z = f(g * sg) * (u * su) from int32 sums, f: 0 relu^2, 1 silu, 2 gelu (tanh). */                                \
    void tern_f32_gate_sums_##isa(int f, const int32_t *g, const int32_t *u, float sg, float su, size_t n, float *z);  \
    /* z = f(g) * z */                                                                                                 \
    void tern_f32_gate_##isa(int f, const float *g, size_t n, float *z);                                               \
    /* out[t * ldo + r] = dot(h[t], row r) for n vectors h [n][k] and `count` rows of `row_bytes`. k % 32 == 0, and      \
     * k % 256 == 0 for Q6_K. */                                                                                       \
    void tern_f32_rows_##isa(int kind, const uint8_t *rows, size_t row_bytes, size_t count, size_t k, const float *h,  \
                             size_t n, float *out, size_t ldo);                                                        \
    /* d[r] = sum_i rows[r][i] * h[i] for `count` rows of k int8; exact while 127 * max|h| * k < 2^31. */              \
    void tern_f32_screen_##isa(const int8_t *rows, size_t count, size_t k, const int16_t *h, int32_t *d);

TERN_DECLARE_FLOATS(ref)
TERN_DECLARE_FLOATS(avx2)
TERN_DECLARE_FLOATS(avx512)
TERN_DECLARE_FLOATS(neon)

#endif
