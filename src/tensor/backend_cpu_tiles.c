/* tensor/backend_cpu_tiles.c -- gemm of backend.h in bfloat16 on tile registers (tiles.h), for the thread that calls: factors are rounded while they are
 * packed, products added in float.
 *
 * Deviations from the paper: none.
 */
#include "base/status.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/tiles.h"

enum { KC = 1024, NC = 512, MC = 256, PAD = 32 /* rows a power of two apart would share few places of L1 */ };

/* Elements of bfloat16: a block of A in rows, the same before it was turned, B in panels. */
typedef struct Room { int64_t rows, turned, panels; } Room;

static Room room_for(int64_t n, int64_t k)
{
    const int64_t kc = tiles_round(k < KC ? k : KC), nc = n < NC ? n : NC;
    return (Room){MC * (kc + PAD), kc * MC, tiles_panels(kc, nc)};
}

int64_t cpu_tiles_scratch(int64_t n, int64_t k)
{
    const Room r = room_for(n, k);
    return (r.rows + r.turned + r.panels) / 2 + PAD;
}

typedef struct Keep { int64_t m, n, ldc; float alpha, beta; float *C; } Keep;

static void keep_scaled(void *arg, int64_t i0, int64_t j0, const float *c)
{
    const Keep *k = arg;
    const int64_t h = k->m - i0 < 32 ? k->m - i0 : 32, w = k->n - j0 < 32 ? k->n - j0 : 32;
    for (int64_t i = 0; i < h; i++, c += 32) {
        float *out = k->C + (i0 + i) * k->ldc + j0;
        if (k->beta == 0) {
            for (int64_t j = 0; j < w; j++) out[j] = k->alpha * c[j];
        } else {
            for (int64_t j = 0; j < w; j++) out[j] = k->alpha * c[j] + k->beta * out[j];
        }
    }
}

static void multiply(int64_t m, int64_t n, int64_t k, const Bf16 *rows, int64_t ld, const Bf16 *panels, float alpha, float beta, float *C, int64_t ldc)
{
    if (alpha == 1 && (beta == 0 || beta == 1) && m % 32 == 0 && n % 32 == 0) {
        tiles_product(m, n, k, rows, ld, panels, tiles_stride(k), beta == 1, C, ldc);
    } else {
        Keep keep = {.m = m, .n = n, .ldc = ldc, .alpha = alpha, .beta = beta, .C = C};
        tiles_product_each(m, n, k, rows, ld, panels, tiles_stride(k), keep_scaled, &keep);
    }
}

/* `m` rows of op(A), `kc` deep. */
static void pack_rows(bool ta, int64_t m, int64_t kc, const float *A, int64_t lda, Bf16 *turned, Bf16 *rows, int64_t ld)
{
    if (ta) {
        tiles_rows(kc, m, A, lda, turned, tiles_round(m));
        tiles_transpose(kc, m, turned, tiles_round(m), rows, ld);
    } else {
        tiles_rows(m, kc, A, lda, rows, ld);
    }
}

void cpu_tiles_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda, const real *B,
                    int64_t ldb, real beta, real *C, int64_t ldc, real *scratch)
{
    REQUIRE(sizeof(real) == sizeof(float) && tiles_available(), "tile products on a processor or in a build without them");
    const void *va = A, *vb = B;
    const float *a = va, *b = vb;
    void *vc = C, *vs = scratch;
    float *c = vc;
    const Room room = room_for(n, k);
    Bf16 *rows = vs, *turned = rows + room.rows, *panels = turned + room.turned;
    for (int64_t j = 0; j < n; j += NC) {
        const int64_t nc = n - j < NC ? n - j : NC;
        for (int64_t p = 0; p == 0 || p < k; p += KC) { /* k 0: only beta */
            const int64_t kc = k - p < KC ? k - p : KC, ld = tiles_round(kc) + PAD;
            tiles_pack(tb, kc, nc, tb ? b + j * ldb + p : b + p * ldb + j, ldb, panels);
            for (int64_t i = 0; i < m; i += MC) {
                const int64_t mc = m - i < MC ? m - i : MC;
                pack_rows(ta, mc, kc, ta ? a + p * lda + i : a + i * lda + p, lda, turned, rows, ld);
                multiply(mc, nc, kc, rows, ld, panels, (float)alpha, p == 0 ? (float)beta : 1, c + i * ldc + j, ldc);
            }
        }
    }
}
