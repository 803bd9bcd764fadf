/* What stands between the ternary products, in f32: norms, rounding to int8, rotary positions, the KV cache, attention,
 * gates, heads.
 *
 * Order. Every sum runs over 16 lanes (32 for rows of a head) in the order of its data, with fused multiply-add, and is
 * folded in one fixed order, on every instruction set. So all implementations agree bit for bit, except in which NaN they
 * give, and the result for one token depends neither on the other tokens of a call nor on how work is split.
 *
 * No function allocates, prints, keeps state or reads outside the ranges given here. Pointers need no alignment beyond
 * their type's. All lengths are checked by the Rust wrapper (engines/ternary). */
#ifndef TERN_FLOATS_H
#define TERN_FLOATS_H

#include <stddef.h>
#include <stdint.h>

/* How keys and values are stored: halves, blocks of a half d and 32 int8 (34 bytes), value = d * int8, or floats. */
enum { TERN_KV_F16 = 0, TERN_KV_Q8_0 = 1, TERN_KV_F32 = 2 };
/* How the rows of a head are stored (ggml's names and blocks). */
enum { TERN_ROWS_F32 = 0, TERN_ROWS_F16 = 1, TERN_ROWS_BF16 = 2, TERN_ROWS_Q8_0 = 3, TERN_ROWS_Q6_K = 4 };
/* f(g) of a gate: relu(g)^2, g * sigmoid(g), the tanh form of GELU. */
enum { TERN_GATE_RELU2 = 0, TERN_GATE_SILU = 1, TERN_GATE_GELU = 2 };

/* Largest size of a head. */
#define TERN_HEAD_MAX 256
/* Cells whose scores are held at once: softmax is exact within them, and runs of them are joined in order. */
#define TERN_ATTEND_RUN 256
/* Tokens that share a conversion of keys and values. */
#define TERN_ATTEND_TOKENS 8
/* Floats of scratch of an attend: a row of scores, two outputs, a query, four numbers for each head of each token of a
 * share, and 16 cells. */
#define TERN_PADDED(size) (((size) + 15) / 16 * 16)
#define TERN_ATTEND_SCRATCH(tokens, heads, size)                                                                       \
    (((tokens) < TERN_ATTEND_TOKENS ? (tokens) : TERN_ATTEND_TOKENS) * (heads) *                                       \
         (TERN_ATTEND_RUN + 3 * TERN_PADDED(size) + 4) +                                                               \
     16 * TERN_PADDED(size))

#define TERN_DECLARE_FLOATS(isa)                                                                                       \
    /* y = (x * r) * g with r = 1 / sqrt(mean(x^2) + eps), over k >= 1 values; y may be x. IEEE throughout: NaN in x    \
     * makes all of y NaN. Relative error of r: (k / 64 + 12) 2^-24 at most. */                                        \
    void tern_f32_norm_##isa(const float *x, const float *g, size_t k, float eps, float *y);                           \
    /* Rounds x (normalised first, exactly as above, if g is not NULL) to int8 by the scheme of BitNet b1.58:          \
     * m = max(1e-5, max|x|), q = round_half_even(x * (127 / m)), so |q| <= 127. Returns m / 127; *sum is the sum of q. \
     * If a (normalised) value is NaN or infinite, or the sum of squares is: q is all zero and NaN is returned, so that \
     * every product is NaN as it would be in floats. */                                                               \
    float tern_f32_round_##isa(const float *x, const float *g, size_t k, float eps, int8_t *q, int32_t *sum);          \
    /* Rotates pairs of one head by angles [dims/2]: i with i + dims/2, or 2i with 2i + 1. */                          \
    void tern_f32_rope_halves_##isa(float *x, const float *cosine, const float *sine, size_t dims);                    \
    void tern_f32_rope_neighbours_##isa(float *x, const float *cosine, const float *sine, size_t dims);                \
    /* One head's numbers into a cell of the cache; Q8_0 needs n % 32 == 0. Halves are rounded to nearest even and     \
     * overflow to infinity. A block of Q8_0 with NaN or infinity has d = NaN. */                                      \
    void tern_f32_store_##isa(int kind, const float *x, size_t n, uint8_t *cell);                                      \
    /* n numbers of a packed row (TERN_ROWS_*) to f32, exactly but for Q6_K's rounding of (d * scale) * code.          \
     * n % 32 == 0 for Q8_0, n % 256 == 0 for Q6_K. */                                                                 \
    void tern_f32_widen_##isa(int kind, const uint8_t *row, size_t n, float *x);                                       \
    /* Causal attention of `tokens` tokens of one sequence, for the query heads that share a key/value head.           \
     *   q, out   [tokens][heads][size], a token `ldq`, `ldo` floats after the one before; size <= TERN_HEAD_MAX       \
     *   k, v     cell c at k + cells[c] * cell_bytes                                                                  \
     *   cells    [n], n >= tokens: token t sees the first n - tokens + 1 + t of them                                  \
     *   scratch  TERN_ATTEND_SCRATCH(tokens, heads, size) floats                                                      \
     * out = softmax(scale * q . k) . v */                                                                             \
    void tern_f32_attend_##isa(int kind, const float *q, size_t ldq, size_t tokens, size_t heads, size_t size,         \
                               const uint8_t *k, const uint8_t *v, size_t cell_bytes, const uint32_t *cells, size_t n, \
                               float scale, float *scratch, float *out, size_t ldo);                                   \
    /* z = f(g * sg) * (u * su) from int32 sums. */                                                                    \
    void tern_f32_gate_sums_##isa(int f, const int32_t *g, const int32_t *u, float sg, float su, size_t n, float *z);  \
    /* z = f(g) * z */                                                                                                 \
    void tern_f32_gate_##isa(int f, const float *g, size_t n, float *z);                                               \
    /* y = e^x: relative error <= 2^-23, +inf above 88, 0 below -87.3, NaN for NaN. */                                 \
    void tern_f32_exp_##isa(const float *x, size_t n, float *y);                                                       \
    /* out[t * ldo + r] = dot(h[t], row r) for n vectors h [n][k] and `count` rows of `row_bytes`. k % 32 == 0, and    \
     * k % 256 == 0 for Q6_K. A chain of k/32 + 5 roundings, so for rows that are exact in f32 it is off by at most    \
     * (k/32 + 5) 2^-24 |h| |row| to first order. */                                                                   \
    void tern_f32_rows_##isa(int kind, const uint8_t *rows, size_t row_bytes, size_t count, size_t k, const float *h,  \
                             size_t n, float *out, size_t ldo);                                                        \
    /* The screen of a head, in blocks of 256 columns (README): d[t * ldd + r] = sum_i code[r][i] * h[t][i] for `count`    \
     * rows and n vectors [n][256 * blocks] of -127 .. 127, with the upper 6 bits of each code (0 .. 63), or for one row \
     * with the lower 2 (0 .. 3). Exact: 63 * 127 * 2^18 < 2^31, so blocks <= 1024. */                                  \
    void tern_f32_screen_high_##isa(const uint8_t *rows, size_t count, size_t blocks, const int8_t *h, size_t n,       \
                                    int32_t *d, size_t ldd);                                                           \
    void tern_f32_screen_low_##isa(const uint8_t *row, size_t blocks, const int8_t *h, size_t n, int32_t *d);

TERN_DECLARE_FLOATS(ref)
TERN_DECLARE_FLOATS(avx2)
TERN_DECLARE_FLOATS(avx512)
TERN_DECLARE_FLOATS(neon)

#endif
