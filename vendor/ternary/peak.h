/* The most multiply-adds a second that an instruction set can do in the arithmetic of the prompt kernels: nothing but its
 * product instructions, on registers. What a prompt reaches is told as a share of this.
 *
 *   rounds  how often the loop runs
 *   sink    [1] read at the start and written at the end, so that no compiler leaves the loop out
 * Returns the multiply-adds done: of 8-bit numbers into 32-bit sums. Sums wrap. */
#ifndef TERN_PEAK_H
#define TERN_PEAK_H

#include "inner.h"

#include <stdint.h>

uint64_t tern_peak_avx2(uint64_t rounds, int32_t *sink);
uint64_t tern_peak_avxvnni(uint64_t rounds, int32_t *sink);
uint64_t tern_peak_avx512(uint64_t rounds, int32_t *sink);
uint64_t tern_peak_amx(uint64_t rounds, int32_t *sink);
uint64_t tern_peak_dotprod(uint64_t rounds, int32_t *sink);
uint64_t tern_peak_i8mm(uint64_t rounds, int32_t *sink);

/* Independent sums: more than latency times throughput of any of these instructions, and fewer than registers. */
#define TERN_PEAK_SUMS 12

/* Defines one of them: `product(sum, codes, q)` does `macs` multiply-adds; `first` is the first number of a sum. */
#define TERN_PEAK(name, sum_type, operand, zero, splat, first, product, macs)                                          \
    uint64_t name(uint64_t rounds, int32_t *sink) {                                                                    \
        sum_type sums[TERN_PEAK_SUMS];                                                                                 \
        const operand codes = splat(1), q = splat((int8_t)(*sink & 0x3f));                                             \
        UNROLL for (int i = 0; i < TERN_PEAK_SUMS; i++) sums[i] = zero;                                                \
        for (uint64_t r = 0; r < rounds; r++) {                                                                        \
            UNROLL for (int i = 0; i < TERN_PEAK_SUMS; i++) product(sums[i], codes, q);                                \
        }                                                                                                              \
        uint32_t all = 0;                                                                                              \
        UNROLL for (int i = 0; i < TERN_PEAK_SUMS; i++) all += (uint32_t)first(sums[i]);                               \
        *sink = (int32_t)all;                                                                                          \
        return rounds * TERN_PEAK_SUMS * (macs);                                                                       \
    }

#endif
