/* The exponential function and gates. Part of f32_body.h. */

/* e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2 + 2^-20; e^r = 1 + r + r^2 P(r), P of degree 4 fitted to a
 * relative error of 0.06 * 2^-24. The first part of ln 2 has 16 bits, so n times it is exact. In all within 2^-23. */
INLINE V exponential(V x) {
    V magic = v_all(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer, half to even */
    /* What is out of range is replaced, so that 2^n is sound, and answered at the end; NaN goes through. */
    V minus = v_sub(v_all(0.0f), x);
    V y = v_if_less(x, -87.3f, v_all(-87.3f), x);
    y = v_if_less(minus, -88.0f, v_all(88.0f), y);
    V t = v_fma(y, v_all(1.44269504f), magic);
    V n = v_sub(t, magic);
    V r = v_fma(n, v_all(-0x1.62e4p-1f), y);
    r = v_fma(n, v_all(-1.4286068e-6f), r);
    V p = v_all(0.0013814320554956794f);
    p = v_fma(p, r, v_all(0.00836885068565607f));
    p = v_fma(p, r, v_all(0.041668400168418884f));
    p = v_fma(p, r, v_all(0.1666651964187622f));
    p = v_fma(p, r, v_all(0.4999999403953552f));
    p = v_fma(v_mul(r, r), p, r);
    p = v_mul(v_add(p, v_all(1.0f)), v_power(t));
    p = v_if_less(x, -87.3f, v_all(0.0f), p);
    return v_if_less(minus, -88.0f, v_all(__builtin_inff()), p);
}

void NAME(tern_f32_exp)(const float *x, size_t n, float *y) {
    for (size_t i = 0; i < n; i += 16) {
        V e = exponential(load_some(x, i, n));
        store_some(y, e, i, n);
    }
}

INLINE V gate_of(int f, V g) {
    if (f == TERN_GATE_RELU2) {
        V p = v_if_less(g, 0.0f, v_all(0.0f), g); /* NaN stays */
        return v_mul(p, p);
    }
    V inner = g;
    if (f == TERN_GATE_GELU) {
        /* 1/2 g (1 + tanh y) = g sigmoid(2 y), 2 y = sqrt(8 / pi) (g + 0.044715 g^3) */
        V cubic = v_mul(v_mul(g, g), v_mul(g, v_all(0.044715f)));
        inner = v_mul(v_all(1.5957691216f), v_add(g, cubic));
    }
    V below = v_add(v_all(1.0f), exponential(v_sub(v_all(0.0f), inner)));
    return v_div(g, below);
}

INLINE void gate_sums(int f, const int32_t *g, const int32_t *u, float sg, float su, size_t n, float *z) {
    V vg = v_all(sg), vu = v_all(su);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        V a = gate_of(f, v_mul(v_from_i32(g + i), vg));
        v_store(z + i, v_mul(a, v_mul(v_from_i32(u + i), vu)));
    }
    if (i < n) {
        int32_t a[16] = {0}, b[16] = {0};
        memcpy(a, g + i, (n - i) * 4);
        memcpy(b, u + i, (n - i) * 4);
        V x = gate_of(f, v_mul(v_from_i32(a), vg));
        store_some(z, v_mul(x, v_mul(v_from_i32(b), vu)), i, n);
    }
}

void NAME(tern_f32_gate_sums)(int f, const int32_t *g, const int32_t *u, float sg, float su, size_t n, float *z) {
    switch (f) {
    case TERN_GATE_RELU2: gate_sums(TERN_GATE_RELU2, g, u, sg, su, n, z); break;
    case TERN_GATE_SILU: gate_sums(TERN_GATE_SILU, g, u, sg, su, n, z); break;
    default: gate_sums(TERN_GATE_GELU, g, u, sg, su, n, z);
    }
}

void NAME(tern_f32_gate)(int f, const float *g, size_t n, float *z) {
    for (size_t i = 0; i < n; i += 16) {
        V a = v_mul(gate_of(f, load_some(g, i, n)), load_some(z, i, n));
        store_some(z, a, i, n);
    }
}
