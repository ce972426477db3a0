/* tensor/backend_cpu_decode.c -- rotary positions, and attention of beams that share a prompt.
 *
 * The beams of one prompt are neighbours: their scores against the prompt's keys are one product on register tiles, as is the
 * product with its values; the few own keys of a beam are added row by row.
 *
 * Deviations from the paper: none.
 */
#include <omp.h>
#include <string.h>
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/gemm_kernel.h"
#include "tensor/vmath.h"

/* --- rotary positions ------------------------------------------------------------------------------------------ */

/* (positions, D): cos of the D/2 angles, then sin; kept until another theta or head size comes. */
static const real *rope_table(CpuSelf *self, int64_t positions, int64_t D, double theta)
{
    if (self->rope_theta == theta && self->rope_D == D && self->rope_positions >= positions) return self->rope;
    positions = positions < 128 ? 128 : 2 * positions;
    backend_host_free(self->rope);
    self->rope = backend_host_alloc((size_t)(positions * D) * sizeof(real));
    self->rope_theta = theta;
    self->rope_D = D;
    self->rope_positions = positions;
    for (int64_t i = 0; i < D / 2; i++) {
        const double f = pow(theta, -2.0 * (double)i / (double)D);
        for (int64_t p = 0; p < positions; p++) {
            self->rope[p * D + i] = (real)cos((double)p * f);
            self->rope[p * D + D / 2 + i] = (real)sin((double)p * f);
        }
    }
    return self->rope;
}

static void cpu_rope(Backend *be, int64_t T, int64_t H, int64_t D, const int32_t *pos, real theta, int sign, real *x,
                     int64_t ldx)
{
    REQUIRE(D % 2 == 0, "rotary head size %lld is odd", (long long)D);
    const int64_t half = D / 2;
    int32_t max_pos = 0;
    for (int64_t t = 0; t < T; t++) max_pos = pos[t] > max_pos ? pos[t] : max_pos;
    const real *table = rope_table(be->self, max_pos + 1, D, (double)theta), turn = (real)sign;
    int threads = cpu_threads(be, T * H * D);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const real *co = table + pos[t] * D, *si = co + half;
        for (int64_t h = 0; h < H; h++) {
            real *u = x + t * ldx + h * D, *v = u + half;
#pragma omp simd
            for (int64_t i = 0; i < half; i++) {
                const real a = u[i], b = v[i], s = turn * si[i];
                u[i] = a * co[i] - b * s;
                v[i] = b * co[i] + a * s;
            }
        }
    }
}

/* --- beams ----------------------------------------------------------------------------------------------------- */

typedef struct Decode {
    int64_t H, Hkv, D, ldq, S, n_suf;
    real scale;
    const real *q, *pk_k, *pk_v, *suf_k, *suf_v;
    real *out;
} Decode;

typedef struct DecodeScratch { real *kt, *vn, *p, *packed_a, *tile; } DecodeScratch;

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* rows: most beams of one prompt; n: longest prompt. With base NULL only measures. */
static int64_t carve(real *base, int64_t rows, int64_t n, int64_t n_suf, int64_t D, DecodeScratch *s)
{
    const int64_t pad = round_up(n, GEMM_COLS), wide = round_up(D, GEMM_COLS), most = pad > D ? pad : D;
    const int64_t count[] = {D * pad, n * wide, rows * round_up(n + n_suf, VMATH_LANES), most * GEMM_ROWS, GEMM_ROWS * GEMM_COLS};
    real **part[] = {&s->kt, &s->vn, &s->p, &s->packed_a, &s->tile};
    int64_t at = 0;
    for (int i = 0; i < 5; i++) {
        *part[i] = base != NULL ? base + at : NULL;
        at += round_up(count[i], VMATH_LANES);
    }
    return at;
}

static real dot(int64_t n, const real *a, const real *b)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* x := softmax(x) over n elements */
static void softmax(int64_t n, real *x)
{
    const real max = vmath_max(n, x);
    real sum = 0;
    for (int64_t i = 0; i < n; i++) x[i] = vmath_exp(x[i] - max);
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += x[i];
    const real scale = 1 / sum;
    for (int64_t i = 0; i < n; i++) x[i] *= scale;
}

/* Rows [r0,r1) share the prompt of rows [first, first+n); one query head. A row of p is the prompt's n scores, then n_suf own ones. */
static void decode_head(const Decode *a, int64_t r0, int64_t r1, int64_t first, int64_t n, int64_t h, bool tiles, DecodeScratch *s)
{
    const int64_t D = a->D, width = a->Hkv * D, g = h * a->Hkv / a->H, ld = round_up(n + a->n_suf, VMATH_LANES);
    const real *q = a->q + r0 * a->ldq + h * D, *k = a->pk_k + first * width + g * D, *v = a->pk_v + first * width + g * D;
    real *out = a->out + (r0 * a->H + h) * D;
    if (tiles) {
        cpu_gemm_block(false, r1 - r0, n, D, q, a->ldq, s->kt, D * GEMM_COLS, a->scale, 0, s->p, ld, s->packed_a, s->tile);
    } else {
        for (int64_t r = 0; r < r1 - r0; r++) {
            for (int64_t i = 0; i < n; i++) s->p[r * ld + i] = a->scale * dot(D, q + r * a->ldq, k + i * width);
        }
    }
    for (int64_t r = 0; r < r1 - r0; r++) {
        const real *sk = a->suf_k + (r0 + r) * a->S * width + g * D;
        for (int64_t i = 0; i < a->n_suf; i++) s->p[r * ld + n + i] = a->scale * dot(D, q + r * a->ldq, sk + i * width);
        softmax(n + a->n_suf, s->p + r * ld);
    }
    if (tiles) {
        cpu_gemm_block(false, r1 - r0, D, n, s->p, ld, s->vn, n * GEMM_COLS, 1, 0, out, a->H * D, s->packed_a, s->tile);
    } else {
        for (int64_t r = 0; r < r1 - r0; r++) {
            real *o = out + r * a->H * D;
            memset(o, 0, (size_t)D * sizeof(real));
            for (int64_t i = 0; i < n; i++) {
                for (int64_t c = 0; c < D; c++) o[c] += s->p[r * ld + i] * v[i * width + c];
            }
        }
    }
    for (int64_t r = 0; r < r1 - r0; r++) {
        const real *sv = a->suf_v + (r0 + r) * a->S * width + g * D, *p = s->p + r * ld + n;
        real *o = out + r * a->H * D;
        for (int64_t i = 0; i < a->n_suf; i++) {
            for (int64_t c = 0; c < D; c++) o[c] += p[i] * sv[i * width + c];
        }
    }
}

static void decode_item(const Decode *a, int64_t r0, int64_t r1, int64_t first, int64_t n, int64_t g, DecodeScratch *s)
{
    const int64_t D = a->D, width = a->Hkv * D, group = a->H / a->Hkv;
    const bool tiles = r1 - r0 >= 4; /* packing pays */
    if (tiles) {
        cpu_pack_b(true, D, n, a->pk_k + first * width + g * D, width, s->kt);
        cpu_pack_b(false, n, D, a->pk_v + first * width + g * D, width, s->vn);
    }
    for (int64_t h = g * group; h < (g + 1) * group; h++) decode_head(a, r0, r1, first, n, h, tiles, s);
}

static void cpu_attention_decode(Backend *be, int64_t R, int64_t H, int64_t Hkv, int64_t D, real scale, const real *q,
                                 int64_t ldq, const int32_t *owner, const int32_t *prefix_offset, const real *pk_k,
                                 const real *pk_v, int64_t S, int64_t n_suf, const real *suf_k, const real *suf_v, real *out)
{
    REQUIRE(H % Hkv == 0, "%lld query heads over %lld key heads", (long long)H, (long long)Hkv);
    const Decode a = {.H = H, .Hkv = Hkv, .D = D, .ldq = ldq, .S = S, .n_suf = n_suf, .scale = scale, .q = q, .pk_k = pk_k, .pk_v = pk_v,
                      .suf_k = suf_k, .suf_v = suf_v, .out = out};
    int64_t longest = 0, rows = 0, run = 0, work = 0;
    for (int64_t r = 0; r < R; r++) {
        const int64_t n = prefix_offset[owner[r] + 1] - prefix_offset[owner[r]];
        REQUIRE(r == 0 || owner[r] >= owner[r - 1], "owner of row %lld descends", (long long)r);
        run = r > 0 && owner[r] == owner[r - 1] ? run + 1 : 1;
        rows = run > rows ? run : rows;
        longest = n > longest ? n : longest;
        work += n * H * D;
    }
    const int threads = cpu_threads(be, work);
    DecodeScratch none;
    int64_t stride;
    real *scratch = cpu_scratch(be, carve(NULL, rows, longest, n_suf, D, &none), &stride);
#pragma omp parallel num_threads(threads)
    {
        DecodeScratch s;
        carve(scratch + omp_get_thread_num() * stride, rows, longest, n_suf, D, &s);
#pragma omp for schedule(dynamic, 16)
        for (int64_t i = 0; i < R * Hkv; i++) { /* the first row of a prompt stands for all of them */
            const int64_t r0 = i / Hkv;
            if (r0 > 0 && owner[r0] == owner[r0 - 1]) continue;
            int64_t r1 = r0 + 1;
            while (r1 < R && owner[r1] == owner[r0]) r1++;
            const int64_t first = prefix_offset[owner[r0]];
            decode_item(&a, r0, r1, first, prefix_offset[owner[r0] + 1] - first, i % Hkv, &s);
        }
    }
}

void backend_cpu_fill_decode(Backend *be)
{
    be->rope = cpu_rope;
    be->attention_decode = cpu_attention_decode;
}
