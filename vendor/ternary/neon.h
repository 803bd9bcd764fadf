/* What the NEON files share. Included by them alone. */
#ifndef TERN_TERNARY_NEON_H
#define TERN_TERNARY_NEON_H

#include "inner.h"

#include <arm_neon.h>

/* gcc 12 otherwise loads early and spills the accumulators. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-schedule-insns")
#endif

/* Weights are asked for 4 KB before they are read; past the end of the matrix that does nothing. */
#define PREFETCH(at) __builtin_prefetch((const char *)(at) + 4096, 0, 3)

/* v[0]'s sum over its lanes .. v[3]'s. */
INLINE int32x4_t lane_sums(const int32x4_t *v) {
    return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

#endif
