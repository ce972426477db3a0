/* tensor/backend_ref_nn.c -- reference ops of backend.h: normalisation, rotary positions, attention, softmax loss.
 *
 * Deviations from the paper: none (operations of standard components).
 */
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_internal.h"
#include "tensor/dropout.h"

/* --- normalisation --------------------------------------------------------------------------------------------- */

static void ref_rmsnorm(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, real eps, real *y,
                        int64_t ldy, real *r)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        double sum = 0;
        for (int64_t c = 0; c < C; c++) sum += (double)x[t * ldx + c] * (double)x[t * ldx + c];
        double rt = 1.0 / sqrt(sum / (double)C + (double)eps);
        r[t] = (real)rt;
        for (int64_t c = 0; c < C; c++) y[t * ldy + c] = (real)((double)w[c] * (double)x[t * ldx + c] * rt);
    }
}

/* y_c = w_c x_c r; dr/dx_c = -r^3 x_c / C; so dx_c = r w_c dy_c - x_c r^3/C sum_j dy_j w_j x_j */
static void ref_rmsnorm_bwd(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r,
                            const real *dy, int64_t ldy, real *dx, int64_t lddx, real *dw)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        double dot = 0, rt = (double)r[t];
        for (int64_t c = 0; c < C; c++) dot += (double)dy[t * ldy + c] * (double)w[c] * (double)x[t * ldx + c];
        for (int64_t c = 0; c < C; c++) {
            double xc = (double)x[t * ldx + c], g = (double)dy[t * ldy + c];
            dw[c] = (real)((double)dw[c] + g * xc * rt);
            dx[t * lddx + c] = (real)(rt * (double)w[c] * g - xc * rt * rt * rt * dot / (double)C);
        }
    }
}

static void ref_rmsnorm_bwd_acc(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r,
                                const real *dy, int64_t ldy, real *dx, int64_t lddx, real *dw)
{
    real *one = backend_host_alloc((size_t)C * sizeof(real));
    for (int64_t t = 0; t < T; t++) {
        ref_rmsnorm_bwd(be, 1, C, x + t * ldx, ldx, w, r + t, dy + t * ldy, ldy, one, C, dw);
        for (int64_t c = 0; c < C; c++) dx[t * lddx + c] += one[c];
    }
    backend_host_free(one);
}

static void ref_layernorm(Backend *be, int64_t T, int64_t C, const real *x, const real *w, const real *b, real eps,
                          real *y, real *stats)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        double mean = 0, var = 0;
        for (int64_t c = 0; c < C; c++) mean += (double)x[t * C + c];
        mean /= (double)C;
        for (int64_t c = 0; c < C; c++) var += ((double)x[t * C + c] - mean) * ((double)x[t * C + c] - mean);
        double rstd = 1.0 / sqrt(var / (double)C + (double)eps);
        stats[2 * t] = (real)mean;
        stats[2 * t + 1] = (real)rstd;
        for (int64_t c = 0; c < C; c++) {
            y[t * C + c] = (real)(((double)x[t * C + c] - mean) * rstd * (double)w[c] + (double)b[c]);
        }
    }
}

/* n = (x-mean) rstd, y = n w + b, g = dy w: dx = rstd (g - mean(g) - n mean(g n)) */
static void ref_layernorm_bwd(Backend *be, int64_t T, int64_t C, const real *x, const real *w, const real *stats,
                              const real *dy, real *dx, real *dw, real *db)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        double mean = (double)stats[2 * t], rstd = (double)stats[2 * t + 1], sum_g = 0, sum_gn = 0;
        for (int64_t c = 0; c < C; c++) {
            double n = ((double)x[t * C + c] - mean) * rstd, g = (double)dy[t * C + c] * (double)w[c];
            sum_g += g;
            sum_gn += g * n;
        }
        for (int64_t c = 0; c < C; c++) {
            double n = ((double)x[t * C + c] - mean) * rstd, d = (double)dy[t * C + c];
            dw[c] = (real)((double)dw[c] + d * n);
            db[c] = (real)((double)db[c] + d);
            dx[t * C + c] = (real)(rstd * (d * (double)w[c] - sum_g / (double)C - n * sum_gn / (double)C));
        }
    }
}

/* --- attention ------------------------------------------------------------------------------------------------- */

static void ref_rope(Backend *be, int64_t T, int64_t H, int64_t D, const int32_t *pos, real theta, int sign, real *x,
                     int64_t ldx)
{
    (void)be;
    REQUIRE(D % 2 == 0, "rotary head size %lld is odd", (long long)D);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t i = 0; i < D / 2; i++) {
            double f = pow((double)theta, -2.0 * (double)i / (double)D), angle = sign * (double)pos[t] * f;
            double co = cos(angle), si = sin(angle);
            for (int64_t h = 0; h < H; h++) {
                real *u = x + t * ldx + h * D;
                double a = (double)u[i], b = (double)u[i + D / 2];
                u[i] = (real)(a * co - b * si);
                u[i + D / 2] = (real)(b * co + a * si);
            }
        }
    }
}

static double dot(int64_t n, const real *a, const real *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* What multiplies probability (t,h,s) of a sequence that starts at row `first`: 1, or 0 or 1/(1-p) with dropout. */
static double attention_keep(const Packed *pk, Dropout drop, int64_t H, int64_t t, int64_t h, int64_t s, int64_t first)
{
    if (!(drop.p > 0)) return 1.0;
    uint64_t element = (uint64_t)((t * H + h) * pk->max_len + (s - first));
    return dropout_keeps(drop, element) ? 1.0 / (1.0 - drop.p) : 0.0;
}

static void ref_attention(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                          const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, real *out, real *lse)
{
    (void)be;
    REQUIRE(H % Hkv == 0, "%lld query heads over %lld key heads", (long long)H, (long long)Hkv);
    for (int64_t b = 0; b < pk->B; b++) {
        int64_t first = pk->offset[b], end = pk->offset[b + 1];
        for (int64_t t = first; t < end; t++) {
            for (int64_t h = 0; h < H; h++) {
                const int64_t g = h * Hkv / H;
                const real *qt = q + t * ldq + h * D;
                double max = -INFINITY, sum = 0;
                for (int64_t s = first; s <= t; s++) {
                    max = fmax(max, (double)scale * dot(D, qt, k + s * ldkv + g * D));
                }
                for (int64_t s = first; s <= t; s++) sum += exp((double)scale * dot(D, qt, k + s * ldkv + g * D) - max);
                double L = max + log(sum);
                lse[t * H + h] = (real)L;
                for (int64_t d = 0; d < D; d++) out[(t * H + h) * D + d] = 0;
                for (int64_t s = first; s <= t; s++) {
                    double p = exp((double)scale * dot(D, qt, k + s * ldkv + g * D) - L);
                    p *= attention_keep(pk, drop, H, t, h, s, first);
                    for (int64_t d = 0; d < D; d++) {
                        real *o = &out[(t * H + h) * D + d];
                        *o = (real)((double)*o + p * (double)v[s * ldkv + g * D + d]);
                    }
                }
            }
        }
    }
}

/* P = softmax(scale q k^T), out = keep(P) v. dP = keep(dout v^T); dS = P (dP - sum_s P dP), and that sum is dout . out. */
static void ref_attention_bwd(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                              const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, const real *out,
                              const real *lse, const real *dout, real *dq, int64_t lddq, real *dk, real *dv, int64_t lddkv)
{
    (void)be;
    for (int64_t t = 0; t < pk->T; t++) {
        for (int64_t c = 0; c < H * D; c++) dq[t * lddq + c] = 0;
        for (int64_t c = 0; c < Hkv * D; c++) dk[t * lddkv + c] = dv[t * lddkv + c] = 0;
    }
    for (int64_t b = 0; b < pk->B; b++) {
        int64_t first = pk->offset[b], end = pk->offset[b + 1];
        for (int64_t t = first; t < end; t++) {
            for (int64_t h = 0; h < H; h++) {
                const int64_t g = h * Hkv / H;
                const real *qt = q + t * ldq + h * D, *dot_row = dout + (t * H + h) * D;
                double delta = dot(D, dot_row, out + (t * H + h) * D);
                for (int64_t s = first; s <= t; s++) {
                    const real *ks = k + s * ldkv + g * D, *vs = v + s * ldkv + g * D;
                    double p = exp((double)scale * dot(D, qt, ks) - (double)lse[t * H + h]);
                    double keep = attention_keep(pk, drop, H, t, h, s, first);
                    double ds = p * (keep * dot(D, dot_row, vs) - delta) * (double)scale;
                    for (int64_t d = 0; d < D; d++) {
                        real *dqd = &dq[t * lddq + h * D + d], *dkd = &dk[s * lddkv + g * D + d];
                        real *dvd = &dv[s * lddkv + g * D + d];
                        *dqd = (real)((double)*dqd + ds * (double)ks[d]);
                        *dkd = (real)((double)*dkd + ds * (double)qt[d]);
                        *dvd = (real)((double)*dvd + keep * p * (double)dot_row[d]);
                    }
                }
            }
        }
    }
}

/* Key (and value) row i of a beam: the prompt's rows first, then its own. */
static const real *decode_row(const real *prefix, const real *suffix, int64_t n_prefix, int64_t width, int64_t i)
{
    return i < n_prefix ? prefix + i * width : suffix + (i - n_prefix) * width;
}

static void ref_attention_decode(Backend *be, int64_t R, int64_t H, int64_t Hkv, int64_t D, real scale, const real *q,
                                 int64_t ldq, const int32_t *owner, const int32_t *prefix_offset, const real *pk_k,
                                 const real *pk_v, int64_t S, int64_t n_suf, const real *suf_k, const real *suf_v, real *out)
{
    (void)be;
    const int64_t width = Hkv * D;
    for (int64_t r = 0; r < R; r++) {
        int64_t first = prefix_offset[owner[r]], n_prefix = prefix_offset[owner[r] + 1] - first, n = n_prefix + n_suf;
        REQUIRE(r == 0 || owner[r] >= owner[r - 1], "owner of row %lld descends", (long long)r);
        for (int64_t h = 0; h < H; h++) {
            const int64_t g = h * Hkv / H;
            const real *qr = q + r * ldq + h * D;
            double max = -INFINITY, sum = 0;
            for (int64_t i = 0; i < n; i++) {
                const real *ki = decode_row(pk_k + first * width, suf_k + r * S * width, n_prefix, width, i) + g * D;
                max = fmax(max, (double)scale * dot(D, qr, ki));
            }
            for (int64_t d = 0; d < D; d++) out[(r * H + h) * D + d] = 0;
            for (int64_t i = 0; i < n; i++) {
                const real *ki = decode_row(pk_k + first * width, suf_k + r * S * width, n_prefix, width, i) + g * D;
                const real *vi = decode_row(pk_v + first * width, suf_v + r * S * width, n_prefix, width, i) + g * D;
                double p = exp((double)scale * dot(D, qr, ki) - max);
                sum += p;
                for (int64_t d = 0; d < D; d++) {
                    real *o = &out[(r * H + h) * D + d];
                    *o = (real)((double)*o + p * (double)vi[d]);
                }
            }
            for (int64_t d = 0; d < D; d++) {
                real *o = &out[(r * H + h) * D + d];
                *o = (real)((double)*o / sum);
            }
        }
    }
}

/* --- loss ------------------------------------------------------------------------------------------------------ */

static bool is_allowed(int64_t i, int64_t V, int64_t v, const int32_t *range, const uint8_t *allowed)
{
    if (range != NULL && (v < range[2 * i] || v >= range[2 * i + 1])) return false;
    return allowed == NULL || allowed[i * V + v] != 0;
}

static void ref_xent(Backend *be, int64_t n, int64_t V, const real *logits, int64_t ld, const int32_t *target,
                     const int32_t *range, const uint8_t *allowed, real *logp, real *lse)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) {
        double max = -INFINITY, sum = 0;
        for (int64_t v = 0; v < V; v++) {
            if (is_allowed(i, V, v, range, allowed) && logits[i * ld + v] > max) max = logits[i * ld + v]; /* with fmax, gcc 12 for arm64 breaks */
        }
        for (int64_t v = 0; v < V; v++) {
            if (is_allowed(i, V, v, range, allowed)) sum += exp((double)logits[i * ld + v] - max);
        }
        double L = sum > 0 ? max + log(sum) : -INFINITY;
        lse[i] = (real)L;
        logp[i] = 0;
        if (target[i] == TARGET_IGNORED) continue;
        REQUIRE(target[i] >= 0 && target[i] < V && is_allowed(i, V, target[i], range, allowed),
                "target %d of row %lld is not an allowed column", target[i], (long long)i);
        logp[i] = (real)((double)logits[i * ld + target[i]] - L);
    }
}

static void ref_xent_bwd(Backend *be, int64_t n, int64_t V, real *logits, int64_t ld, const int32_t *target,
                         const int32_t *range, const uint8_t *allowed, const real *lse, const real *weight)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t v = 0; v < V; v++) {
            double g = 0;
            if (target[i] != TARGET_IGNORED && is_allowed(i, V, v, range, allowed)) {
                g = exp((double)logits[i * ld + v] - (double)lse[i]) - (v == target[i] ? 1.0 : 0.0);
            }
            logits[i * ld + v] = (real)((double)weight[i] * g);
        }
    }
}

void backend_ref_fill_nn(Backend *be)
{
    be->rmsnorm = ref_rmsnorm;
    be->rmsnorm_bwd = ref_rmsnorm_bwd;
    be->rmsnorm_bwd_acc = ref_rmsnorm_bwd_acc;
    be->layernorm = ref_layernorm;
    be->layernorm_bwd = ref_layernorm_bwd;
    be->rope = ref_rope;
    be->attention = ref_attention;
    be->attention_bwd = ref_attention_bwd;
    be->attention_decode = ref_attention_decode;
    be->xent = ref_xent;
    be->xent_bwd = ref_xent_bwd;
}
