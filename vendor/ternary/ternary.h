/* Products of ternary matrices with int8 vectors: exact int32 sums, one implementation for each instruction set.
 *
 * README.md beside this file describes the packed layouts to the byte. `_ref` functions are the definition; every other
 * one equals them bit for bit. No function allocates, prints, keeps state or reads outside the ranges given here.
 *
 * Common arguments
 *   w      packed weights of `groups` groups of 8 rows: layout i2x8 (tern_i2_*) or t5x8 (tern_t5_*); 64-byte aligned
 *   k      columns (weights of a row): k % 128 == 0, 128 <= k <= 2^20
 *   q      int8 activations in [-127, 127], `n` rows of `ldq` bytes, each 64-byte aligned, ldq >= TERN_LDQ(k);
 *          bytes from k on are zero
 *   qsum   [n] sums of the rows of q
 *   d      [n][ldd] sums, not yet scaled: d[t*ldd + r] = sum_k code[r][k] * q[t][k] - qsum[t], code 0,1,2 = -1,0,+1;
 *          columns 0 .. 8*groups of each row are written
 * Range: |d| <= 127 * k, so int32 is safe for every k allowed.
 * All lengths are checked by the Rust wrapper (engines/ternary). */
#ifndef TERN_TERNARY_H
#define TERN_TERNARY_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a row of activations: whole blocks of 128 (i2) and of 160 (t5), and a multiple of 64. */
#define TERN_LDQ(k) ((((k) + 159) / 160 * 160 + 63) / 64 * 64)
/* Bytes of packed weights of `groups` groups of 8 rows. */
#define TERN_I2_BYTES(groups, k) ((size_t)(groups) * ((k) / 128) * 8 * 32)
#define TERN_T5_BYTES(groups, k) ((size_t)(groups) * (((k) + 159) / 160) * 8 * 32)
/* Bytes of scratch a gemm needs: a panel of 32 rows of codes, a byte each. 64-byte aligned. */
#define TERN_PANEL_BYTES(k) ((size_t)32 * TERN_LDQ(k))
/* Most activation rows of a gemv. */
#define TERN_GEMV_MAX 8

/* Packing. `src`: rows in the I2_S layout of the file (k/4 bytes each, README "i2_s"). Rows up to the next multiple of
 * 8 become zero weights. Returns 0, or 1 + the first row that holds code 3; what is packed is then meaningless. */
size_t tern_i2_pack(const uint8_t *src, size_t rows, size_t k, uint8_t *w);
size_t tern_t5_pack(const uint8_t *src, size_t rows, size_t k, uint8_t *w);

#define TERN_GEMV(fmt, isa)                                                                                            \
    /* 1 <= n <= TERN_GEMV_MAX: each weight is read once, at the speed of memory. */                                   \
    void tern_##fmt##_gemv_##isa(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,     \
                                 const int32_t *qsum, int32_t *d, size_t ldd);
#define TERN_GEMM(fmt, isa)                                                                                            \
    /* Any n >= 1; worth it from about a dozen on: panels of codes are expanded into `scratch`. */                     \
    void tern_##fmt##_gemm_##isa(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,     \
                                 const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch);

TERN_GEMV(i2, ref)     TERN_GEMM(i2, ref)     TERN_GEMV(t5, ref)     TERN_GEMM(t5, ref)
TERN_GEMV(i2, avx2)    TERN_GEMM(i2, avx2)    TERN_GEMV(t5, avx2)    TERN_GEMM(t5, avx2)
TERN_GEMV(i2, avxvnni) TERN_GEMM(i2, avxvnni) /* t5: avx2's */
TERN_GEMV(i2, avx512)  TERN_GEMM(i2, avx512)  TERN_GEMV(t5, avx512)  TERN_GEMM(t5, avx512)
TERN_GEMV(i2, amx)     TERN_GEMM(i2, amx)     /* t5, and gemv of up to three: avx512's */
TERN_GEMV(i2, dotprod) TERN_GEMM(i2, dotprod) TERN_GEMV(t5, dotprod) TERN_GEMM(t5, dotprod)
TERN_GEMM(i2, i8mm) /* the others: dotprod's */

/* Whether this processor has tiles of int8 and the system lets this process use them; asks it to, for all its threads. To be
 * called, and have said 1, before any of the amx functions. */
int tern_amx_permit(void);

/* Products that skip what is zero, for one token; exact like the others. `_ref` defines them.
 *
 * rows: D of the `count` rows `list` of a matrix in the i2_s layout of the file: rows of k/4 bytes, 32-byte aligned.
 *   d      [count] d[i] belongs to row list[i]
 * cols: D from the columns whose activation is not zero, layout i2c (README): columns of `stride` bytes, a multiple of 64,
 *   64-byte aligned.
 *   w      piece of 256 rows at which to begin, of column 0; `pieces` of them are done
 *   list   [count] the columns; count % 4 == 0, count <= 2^17; fill up with any column
 *   q      [count] their activations, 4-byte aligned, 0 where filled up
 *   d      [256 * pieces]
 * Range of cols: at scale 64 a lane grows by at most 4 * 128 * 127 = 65 024 for 4 columns, 2.1e9 for 2^17. */
#define TERN_COLS_MAX ((size_t)1 << 17)
/* Bytes of a column of i2c. */
#define TERN_I2C_STRIDE(rows) (((rows) + 255) / 256 * 64)
/* From the layout of the file to i2c. Returns 0, or 1 + the first row with code 3. */
size_t tern_i2c_pack(const uint8_t *src, size_t rows, size_t k, uint8_t *w);

#define TERN_SPARSE(isa)                                                                                               \
    void tern_i2_rows_##isa(const uint8_t *w, size_t k, const uint32_t *list, size_t count, const int8_t *q,           \
                            int32_t qsum, int32_t *d);                                                                 \
    void tern_i2_cols_##isa(const uint8_t *w, size_t stride, size_t pieces, const uint32_t *list, size_t count,        \
                            const int8_t *q, int32_t qsum, int32_t *d);
TERN_SPARSE(ref)
TERN_SPARSE(avx2)
TERN_SPARSE(avx512)

#endif
