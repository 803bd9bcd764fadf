/* Included first by each file of float kernels. */
#include "floats.h"
#include "inner.h"

#include <string.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(name) JOIN(name, ISA)

/* 16 bytes: every processor of ours has registers of them. */
typedef uint8_t Bytes __attribute__((vector_size(16)));

INLINE Bytes bytes_load(const void *p) {
    Bytes b;
    memcpy(&b, p, sizeof b);
    return b;
}
