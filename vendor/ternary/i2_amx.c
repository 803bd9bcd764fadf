/* 2-bit kernels for AMX: products of tiles of int8, beside AVX-512. ternary.h has the contract, README.md the layout.
 *
 * A tile is 16 rows of 64 bytes. One of activations is 64 columns of 16 tokens, as they lie in memory; one of weights is 64
 * columns of 16 rows as the panel of the AVX-512 kernels has them, so nothing is rearranged for tiles. tdpbsud adds four
 * products of a signed and an unsigned byte to each of 16 x 16 sums of 32 bits, without saturation: the same sums, exact in
 * any order. The kernel gives tiles to a process that has asked for them (tern_amx_permit). */
#if defined(__x86_64__)
#define _DEFAULT_SOURCE /* syscall */
#include "avx512.h"
#include "peak.h"

#include <string.h>

#if defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

int tern_amx_permit(void) {
    enum { REQUEST = 0x1023, TILE_DATA = 18, TILE = 1 << 24, INT8 = 1 << 25 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & TILE) || !(d & INT8)) return 0;
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}
#else
int tern_amx_permit(void) { return 0; }
#endif

/* Instructions of tiles as assembly that tells the compiler what memory they read: gcc's intrinsics do not, and stores before
 * them get lost. */
#define CONFIGURE(at) __asm__ volatile("ldtilecfg %0" : : "m"(*(at)))
#define LOAD(tile, at, stride)                                                                                         \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"(at), "r"((size_t)(stride)) : "memory")
#define STORE(tile, at, stride)                                                                                        \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" : : "r"(at), "r"((size_t)(stride)) : "memory")
/* sums += q (signed) . codes (unsigned). */
#define PRODUCT(sums, q, codes) __asm__ volatile("tdpbsud %%tmm" #codes ", %%tmm" #q ", %%tmm" #sums : :)
#define ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile : :)
#define RELEASE() __asm__ volatile("tilerelease" : :)

/* Sums of tokens 0-15 are in tiles 0 (rows 0-15) and 1 (16-31), of tokens 16-31 in 2 and 3; 4 and 5 are activations, 6 and 7
 * weights. */
#define MOST 32
/* Bytes of the panel of a block: 32 rows of 128 columns. */
#define BLOCK (32 * 128)

/* Tiles for n <= MOST tokens. */
static void configure(size_t n) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } tiles;
    memset(&tiles, 0, sizeof tiles);
    tiles.palette = 1;
    const size_t first = n < 16 ? n : 16, second = n - first;
    const size_t rows[8] = {first, first, second, second, first, second, 16, 16};
    for (int i = 0; i < 8; i++) {
        tiles.rows[i] = (uint8_t)rows[i];
        tiles.bytes[i] = rows[i] ? 64 : 0;
    }
    CONFIGURE(&tiles);
}

/* Sums += a block of 128 columns, times one tile of tokens or two. */
INLINE void multiply(const uint8_t *panel, const int8_t *q, size_t ldq, const int two) {
    UNROLL for (int half = 0; half < 2; half++, panel += BLOCK / 2, q += 64) {
        LOAD(6, panel, 128);
        LOAD(4, q, ldq);
        LOAD(7, panel + 64, 128);
        PRODUCT(0, 4, 6);
        PRODUCT(1, 4, 7);
        if (two) {
            LOAD(5, q + 16 * ldq, ldq);
            PRODUCT(2, 5, 6);
            PRODUCT(3, 5, 7);
        }
    }
}

INLINE void store(int32_t *to, size_t ld, const int two) {
    STORE(0, to, ld * 4);
    STORE(1, to + 16, ld * 4);
    if (two) {
        STORE(2, to + 16 * ld, ld * 4);
        STORE(3, to + 16 * ld + 16, ld * 4);
    }
}

/* What a group of up to 32 rows is multiplied with, and where its sums go. */
typedef struct {
    const int8_t *q;
    size_t ldq, n;
    const int32_t *qsum;
    int32_t *d;
    size_t ldd;
} Tokens;

/* n <= MOST tokens times `now` groups. Their panel begins at `panel`, and each block `step` bytes behind the one before: 0
 * where it is needed once and stays in L1. It is expanded from `w` as it is multiplied, or there already if that is null. */
INLINE void chunk(const uint8_t *w, size_t stride, size_t now, size_t blocks, uint8_t *panel, size_t step, Tokens a,
                  const int two) {
    _Alignas(64) int32_t sums[MOST * 32];
    for (size_t t = 0; t < a.n; t++) {
        const __m512i start = _mm512_set1_epi32(-a.qsum[t]);
        _mm512_store_si512(sums + t * 32, start);
        _mm512_store_si512(sums + t * 32 + 16, start);
    }
    LOAD(0, sums, 128);
    LOAD(1, sums + 16, 128);
    if (two) {
        LOAD(2, sums + 16 * 32, 128);
        LOAD(3, sums + 16 * 32 + 16, 128);
    }
    for (size_t b = 0; b < blocks; b++, panel += step) {
        if (w) {
            const uint8_t *at = w + b * 256;
            for (size_t i = 0; i < now * 4; i++) PREFETCH(at + i / 4 * stride + i % 4 * 64);
            expand(at, stride, now, 1, panel);
        }
        multiply(panel, a.q + b * 128, a.ldq, two);
    }
    if (now == 4) {
        store(a.d, a.ldd, two);
    } else {
        store(sums, 32, two);
        for (size_t t = 0; t < a.n; t++) memcpy(a.d + t * a.ldd, sums + t * 32, now * 8 * sizeof(int32_t));
    }
}

/* The same, by the number of tokens. One copy of each form. */
static void chunk_of(const uint8_t *w, size_t stride, size_t now, size_t blocks, uint8_t *panel, size_t step, Tokens a) {
    if (a.n > 16) chunk(w, stride, now, blocks, panel, step, a, 1);
    else chunk(w, stride, now, blocks, panel, step, a, 0);
}

/* n <= MOST: each weight is read once, and expanded on the stack. */
static void few(const uint8_t *w, size_t groups, size_t k, Tokens a) {
    _Alignas(64) uint8_t panel[BLOCK];
    const size_t blocks = k / 128, stride = blocks * 256;
    configure(a.n);
    for (size_t g = 0; g < groups; g += 4, w += 4 * stride, a.d += 32) {
        chunk_of(w, stride, groups - g < 4 ? groups - g : 4, blocks, panel, 0, a);
    }
    RELEASE();
}

void tern_i2_gemv_amx(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                      const int32_t *qsum, int32_t *d, size_t ldd) {
    if (n <= 3) tern_i2_gemv_avx512(w, groups, k, q, ldq, n, qsum, d, ldd);
    else few(w, groups, k, (Tokens){q, ldq, n, qsum, d, ldd});
}

void tern_i2_gemm_amx(const uint8_t *w, size_t groups, size_t k, const int8_t *q, size_t ldq, size_t n,
                      const int32_t *qsum, int32_t *d, size_t ldd, uint8_t *scratch) {
    if (n <= MOST) {
        few(w, groups, k, (Tokens){q, ldq, n, qsum, d, ldd});
        return;
    }
    const size_t blocks = k / 128, stride = blocks * 256;
    /* Tiles are configured anew only for tokens that are left over. */
    const size_t rest = n % MOST;
    configure(MOST);
    for (size_t g = 0; g < groups; g += 4, w += 4 * stride, d += 32) {
        const size_t now = groups - g < 4 ? groups - g : 4;
        for (size_t t = 0; t + MOST <= n; t += MOST) {
            const Tokens a = {q + t * ldq, ldq, MOST, qsum + t, d + t * ldd, ldd};
            chunk_of(t == 0 ? w : NULL, stride, now, blocks, scratch, BLOCK, a);
        }
        if (rest > 0) {
            const size_t t = n - rest;
            configure(rest);
            chunk_of(NULL, stride, now, blocks, scratch, BLOCK, (Tokens){q + t * ldq, ldq, rest, qsum + t, d + t * ldd, ldd});
            configure(MOST);
        }
    }
    RELEASE();
}

/* The product instruction alone, on four sums in turn. */
uint64_t tern_peak_amx(uint64_t rounds, int32_t *sink) {
    _Alignas(64) uint8_t codes[1024];
    _Alignas(64) int32_t sums[256];
    memset(codes, *sink & 0x3f, sizeof codes);
    configure(MOST);
    ZERO(0);
    ZERO(1);
    ZERO(2);
    ZERO(3);
    LOAD(4, codes, 64);
    LOAD(5, codes, 64);
    LOAD(6, codes, 64);
    LOAD(7, codes, 64);
    for (uint64_t r = 0; r < rounds; r++) {
        PRODUCT(0, 4, 6);
        PRODUCT(1, 4, 7);
        PRODUCT(2, 5, 6);
        PRODUCT(3, 5, 7);
    }
    STORE(0, sums, 64);
    const int32_t first = sums[0];
    STORE(3, sums, 64);
    *sink = first + sums[0];
    RELEASE();
    return rounds * 4 * 16 * 16 * 64;
}
#endif
