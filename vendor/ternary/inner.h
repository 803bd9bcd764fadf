/* What all files of kernels share. Included by them alone. */
#ifndef TERN_TERNARY_INNER_H
#define TERN_TERNARY_INNER_H

#include "ternary.h"

#define INLINE static inline __attribute__((always_inline))

/* For loops over registers, with constant bounds: a compiler that does not unroll them keeps the arrays in memory. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#endif
