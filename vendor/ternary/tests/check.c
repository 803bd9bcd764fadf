/* Compares the kernels of one path, chosen by -DPATH_..., with the reference, bit for bit. For instruction sets that
 * `cargo test` cannot run where it is: scripts/test-kernels.sh builds and runs it, under an emulator if need be. */
#include "../ternary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Gemv)(const uint8_t *, size_t, size_t, const int8_t *, size_t, size_t, const int32_t *, int32_t *, size_t);
typedef void (*Gemm)(const uint8_t *, size_t, size_t, const int8_t *, size_t, size_t, const int32_t *, int32_t *, size_t,
                     uint8_t *);

/* What is compared: t5 0 or 1. */
static const struct {
    const char *name;
    int t5;
    Gemv gemv;
    Gemm gemm;
} KERNELS[] = {
#if defined(PATH_AVX2)
    {"i2 avx2", 0, tern_i2_gemv_avx2, tern_i2_gemm_avx2},
    {"t5 avx2", 1, tern_t5_gemv_avx2, tern_t5_gemm_avx2},
#elif defined(PATH_AVXVNNI)
    {"i2 avxvnni", 0, tern_i2_gemv_avxvnni, tern_i2_gemm_avxvnni},
#elif defined(PATH_AVX512)
    {"i2 avx512", 0, tern_i2_gemv_avx512, tern_i2_gemm_avx512},
    {"t5 avx512", 1, tern_t5_gemv_avx512, tern_t5_gemm_avx512},
#elif defined(PATH_AMX)
    {"i2 amx", 0, tern_i2_gemv_amx, tern_i2_gemm_amx},
#elif defined(PATH_NEON)
    {"i2 dotprod", 0, tern_i2_gemv_dotprod, tern_i2_gemm_dotprod},
    {"t5 dotprod", 1, tern_t5_gemv_dotprod, tern_t5_gemm_dotprod},
    {"i2 i8mm", 0, NULL, tern_i2_gemm_i8mm},
#endif
};

static uint64_t state = 1;
static unsigned below(unsigned n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static void *lines(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) exit(2);
    memset(memory, 0, (bytes + 63) / 64 * 64);
    return memory;
}

/* code: 0 .. 2 or 3 for random ones; q: the value, or 0 for random ones. Returns the number of differences. */
static int compare(size_t rows, size_t k, size_t n, int code, int q) {
    const size_t groups = (rows + 7) / 8, ldq = TERN_LDQ(k), ldd = groups * 8 + 5;
    uint8_t *src = lines(rows * k / 4), *packed[2] = {lines(TERN_I2_BYTES(groups, k)), lines(TERN_T5_BYTES(groups, k))};
    uint8_t *scratch = lines(TERN_PANEL_BYTES(k));
    int8_t *acts = lines(n * ldq);
    int32_t *sums = lines(n * 4), *expected = lines(n * ldd * 4), *found = lines(n * ldd * 4);
    int bad = 0;
    for (size_t i = 0; i < rows * k / 4; i++) {
        for (int f = 0; f < 8; f += 2) src[i] |= (uint8_t)((code == 3 ? below(3) : (unsigned)code) << f);
    }
    for (size_t t = 0; t < n; t++) {
        for (size_t c = 0; c < k; c++) {
            acts[t * ldq + c] = (int8_t)(q ? q : (int)below(255) - 127);
            sums[t] += acts[t * ldq + c];
        }
    }
    if (tern_i2_pack(src, rows, k, packed[0]) || tern_t5_pack(src, rows, k, packed[1])) exit(2);
    memset(expected, 0x77, n * ldd * 4);
    tern_i2_gemv_ref(packed[0], groups, k, acts, ldq, n, sums, expected, ldd);
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++) {
        for (int gemm = 0; gemm < 2; gemm++) {
            if (!gemm && (n > TERN_GEMV_MAX || !KERNELS[i].gemv)) continue;
            memset(found, 0x77, n * ldd * 4);
            const uint8_t *w = packed[KERNELS[i].t5];
            if (gemm) KERNELS[i].gemm(w, groups, k, acts, ldq, n, sums, found, ldd, scratch);
            else KERNELS[i].gemv(w, groups, k, acts, ldq, n, sums, found, ldd);
            for (size_t at = 0; at < n * ldd; at++) {
                if (found[at] == expected[at]) continue;
                printf("%s %s rows=%zu k=%zu n=%zu code=%d q=%d: row %zu of token %zu is %d, expected %d\n",
                       KERNELS[i].name, gemm ? "gemm" : "gemv", rows, k, n, code, q, at % ldd, at / ldd, found[at],
                       expected[at]);
                bad++;
                break;
            }
        }
    }
    free(src), free(packed[0]), free(packed[1]), free(scratch), free(acts), free(sums), free(expected), free(found);
    return bad;
}

int main(void) {
    static const size_t K[] = {128, 256, 384, 640, 1152, 2560, 6912}, N[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 24};
    static const size_t ROWS[] = {1, 7, 8, 9, 40};
    int bad = 0, done = 0;
    for (size_t i = 0; i < sizeof K / sizeof *K; i++) {
        for (size_t j = 0; j < sizeof N / sizeof *N; j++) {
            /* The longest rows for a few counts only: emulators are slow. */
            if (K[i] > 1152 && j % 3 != 0) continue;
            bad += compare(9, K[i], N[j], 3, 0), done++;
        }
        for (int code = 0; code < 3; code += 2) {
            for (int q = -127; q <= 127; q += 254) {
                bad += compare(8, K[i], 1, code, q) + compare(8, K[i], 3, code, q), done += 2;
            }
        }
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        for (size_t j = 0; j < sizeof N / sizeof *N; j += 2) bad += compare(ROWS[i], 256, N[j], 3, 0), done++;
    }
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++) printf("%s%s", i ? ", " : "", KERNELS[i].name);
    printf(": %d of %d products equal the reference\n", done - bad, done);
    return bad != 0;
}
