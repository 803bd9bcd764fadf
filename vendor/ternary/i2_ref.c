/* The definition of the integer kernels: plain loops, kept for ever. */
#include "ternary.h"
