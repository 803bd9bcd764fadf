/* Compares the float kernels of one path, chosen by -DPATH_..., with the reference, bit for bit (any NaN equals any other).
 * For instruction sets that `cargo test` cannot run where it is: scripts/test-kernels.sh builds and runs it. */
#include "../floats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(PATH_NEON)
#define PATH(name) name##_neon
#elif defined(PATH_AVX2)
#define PATH(name) name##_avx2
#else
#define PATH(name) name##_avx512
#endif

static uint64_t state = 1;
static uint32_t bits(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}
static float number(void) { return (float)(int32_t)bits() / 1073741824.0f; }

#define MOST 70000
static float x[MOST], g[MOST], a[MOST], b[MOST], scratch[200000];
static uint8_t packed[2 * MOST], keys[2 * MOST], values[2 * MOST], cell[2][2 * MOST];
static int8_t vectors[MOST];
static int32_t sums[2], many[MOST];
static int32_t wide[2][100];
static uint32_t seen[400];

static void same(const char *what, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], 4) != 0 && !(a[i] != a[i] && b[i] != b[i])) {
            printf("%s: number %zu of %zu is %g, expected %g\n", what, i, n, (double)b[i], (double)a[i]);
            exit(1);
        }
}
static void same_bytes(const char *what, const void *p, const void *q, size_t n) {
    if (memcmp(p, q, n) != 0) {
        printf("%s: other bytes\n", what);
        exit(1);
    }
}

int main(void) {
    for (int i = 0; i < MOST; i++) {
        x[i] = number() * 4, g[i] = number();
        many[i] = (int32_t)bits() >> 10;
        vectors[i] = (int8_t)((int)(bits() % 255) - 127);
    }
    for (int i = 0; i < 2 * MOST; i++) packed[i] = (uint8_t)bits();
    static const size_t sizes[] = {1, 15, 16, 17, 64, 100, 2560, 2568};
    for (int i = 0; i < 8; i++) {
        size_t k = sizes[i];
        tern_f32_norm_ref(x, g, k, 1e-5f, a);
        PATH(tern_f32_norm)(x, g, k, 1e-5f, b);
        same("norm", k);
        for (int bad = 0; bad < 2; bad++) {
            float keep = x[k / 2];
            if (bad) x[k / 2] = __builtin_nanf("");
            static int8_t q[2][3000];
            a[0] = tern_f32_round_ref(x, i % 2 ? g : NULL, k, 1e-5f, q[0], &sums[0]);
            b[0] = PATH(tern_f32_round)(x, i % 2 ? g : NULL, k, 1e-5f, q[1], &sums[1]);
            same("round", 1);
            same_bytes("round", q[0], q[1], k);
            same_bytes("round", &sums[0], &sums[1], 4);
            x[k / 2] = keep;
        }
        for (int f = 0; f < 3; f++) {
            tern_f32_gate_sums_ref(f, many, many + 9, 1e-6f, 1e-5f, k, a);
            PATH(tern_f32_gate_sums)(f, many, many + 9, 1e-6f, 1e-5f, k, b);
            same("gate of sums", k);
            memcpy(a, g, k * 4), memcpy(b, g, k * 4);
            tern_f32_gate_ref(f, x, k, a);
            PATH(tern_f32_gate)(f, x, k, b);
            same("gate", k);
        }
        memcpy(a, x, k * 8), memcpy(b, x, k * 8);
        tern_f32_rope_halves_ref(a, g, g + 50, k / 2 * 2);
        PATH(tern_f32_rope_halves)(b, g, g + 50, k / 2 * 2);
        tern_f32_rope_neighbours_ref(a, g, g + 50, k / 2 * 2);
        PATH(tern_f32_rope_neighbours)(b, g, g + 50, k / 2 * 2);
        same("rotation", k);
    }
    for (int i = 0; i < MOST; i++) scratch[i] = (float)i / MOST * 190 - 100;
    scratch[5] = __builtin_nanf(""), scratch[6] = __builtin_inff(), scratch[7] = -__builtin_inff();
    tern_f32_exp_ref(scratch, MOST, a);
    PATH(tern_f32_exp)(scratch, MOST, b);
    same("exp", MOST);
    for (int i = 0; i < 65536; i++) packed[2 * i] = (uint8_t)i, packed[2 * i + 1] = (uint8_t)(i >> 8);
    tern_f32_widen_ref(TERN_ROWS_F16, packed, 65536, a);
    PATH(tern_f32_widen)(TERN_ROWS_F16, packed, 65536, b);
    same("halves", 65536);
    for (int kind = 0; kind < 2; kind++) {
        memcpy(b, x, sizeof b);
        for (int i = 0; kind == 0 && i < MOST; i++) {
            uint32_t y = bits();
            memcpy(&b[i], &y, 4);
            if (b[i] != b[i]) b[i] = 1;
        }
        tern_f32_store_ref(kind, b, 69984, cell[0]);
        PATH(tern_f32_store)(kind, b, 69984, cell[1]);
        same_bytes(kind ? "store q8_0" : "store f16", cell[0], cell[1], 69984 / 32 * (kind ? 34 : 64));
    }
    for (int kind = 0; kind < 5; kind++)
        for (size_t n = 1; n < 10; n++) {
            size_t k = 512, bytes = kind == 0 ? 2048 : kind == 3 ? 544 : kind == 4 ? 420 : 1024;
            const uint8_t *rows = kind == 0 ? (const uint8_t *)g : kind == 3 ? cell[0] : packed + 7000;
            tern_f32_rows_ref(kind, rows, bytes, 7, k, x, n, a, 7);
            PATH(tern_f32_rows)(kind, rows, bytes, 7, k, x, n, b, 7);
            same("rows", 7 * n);
            tern_f32_widen_ref(kind, rows, k, a);
            PATH(tern_f32_widen)(kind, rows, k, b);
            same("widen", k);
        }
    for (size_t blocks = 1; blocks < 12; blocks += 5) {
        for (size_t n = 1; n < 14; n++) {
            tern_f32_screen_high_ref(packed, 6, blocks, vectors, n, wide[0], 7);
            PATH(tern_f32_screen_high)(packed, 6, blocks, vectors, n, wide[1], 7);
            same_bytes("screen, upper bits", wide[0], wide[1], sizeof wide[0]);
            tern_f32_screen_low_ref(packed, blocks, vectors, n, wide[0]);
            PATH(tern_f32_screen_low)(packed, blocks, vectors, n, wide[1]);
            same_bytes("screen, lower bits", wide[0], wide[1], sizeof wide[0]);
        }
    }
    static const size_t shapes[][3] = {{1, 4, 128}, {1, 1, 64}, {9, 3, 80}, {2, 5, 100}, {1, 2, 17}, {3, 2, 32}, {1, 7, 96}};
    for (int i = 0; i < 400; i++) seen[i] = (uint32_t)(i < 200 ? i : 599 - i);
    tern_f32_store_ref(TERN_KV_F16, x, 60000, keys);
    tern_f32_store_ref(TERN_KV_F16, g, 60000, values);
    for (int i = 0; i < 7; i++)
        for (size_t n = 9; n < 400; n += n < 20 ? 1 : 63)
            for (int kind = 0; kind < 3; kind++) {
                size_t tokens = shapes[i][0], heads = shapes[i][1], size = shapes[i][2];
                if (kind == TERN_KV_Q8_0 && size % 32) continue;
                const uint8_t *k = kind == 0 ? keys : kind == 1 ? cell[0] : (const uint8_t *)x;
                const uint8_t *v = kind == 0 ? values : kind == 1 ? cell[0] + 34 * 8 : (const uint8_t *)g;
                size_t bytes = kind == 0 ? 2 * size : kind == 1 ? size / 32 * 34 : 4 * size, row = heads * size;
                size_t m = kind == 2 && n * size > MOST ? 9 : n;
                tern_f32_attend_ref(kind, x + 77, row, tokens, heads, size, k, v, bytes, seen, m, 0.1f, scratch, a, row);
                PATH(tern_f32_attend)(kind, x + 77, row, tokens, heads, size, k, v, bytes, seen, m, 0.1f, scratch, b, row);
                same("attend", tokens * row);
            }
    puts("float kernels: as the reference");
    return 0;
}
