/* tensor/backend_cpu.c -- the cpu backend: creation, memory, and which file each op comes from.
 *
 * It starts as the reference table and overrides: backend_cpu_gemm.c, backend_cpu_elementwise.c, backend_cpu_norm.c,
 * backend_cpu_attention.c, backend_cpu_decode.c, backend_cpu_loss.c.
 *
 * Deviations from the paper: none.
 */
#include <omp.h>
#include <string.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/tiles.h"

real *cpu_scratch(Backend *be, int64_t count, int64_t *stride)
{
    CpuSelf *self = be->self;
    *stride = (count + 15) / 16 * 16;
    int64_t need = *stride * be->threads;
    if (need > self->scratch_count) {
        backend_host_free(self->scratch);
        self->scratch = backend_host_alloc((size_t)need * sizeof(real));
        self->scratch_count = need;
    }
    return self->scratch;
}

static void cpu_copy_2d(Backend *be, int64_t rows, int64_t cols, const real *src, int64_t lds, real *dst, int64_t ldd)
{
    int threads = cpu_threads(be, rows * cols);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < rows; i++) memcpy(dst + i * ldd, src + i * lds, (size_t)cols * sizeof(real));
}

static void cpu_each_lane(Backend *be, void (*work)(Backend *lane, int i, void *arg), void *arg)
{
    CpuSelf *self = be->self;
#pragma omp parallel for num_threads(be->lanes) schedule(static, 1)
    for (int i = 0; i < be->lanes; i++) work(be->lanes > 1 ? self->lane[i] : be, i, arg);
}

static void cpu_destroy(Backend *be)
{
    CpuSelf *self = be->self;
    for (int i = 0; self->lane != NULL && i < be->lanes; i++) cpu_destroy(self->lane[i]);
    backend_host_free(self->lane);
    backend_host_free(self->scratch);
    backend_host_free(self->rope);
    backend_host_free(self);
    backend_host_free(be);
}

Backend *backend_cpu(int threads)
{
    Backend *be = backend_host_alloc(sizeof *be);
    backend_ref_fill(be);
    be->name = "cpu";
    be->threads = threads > 0 ? threads : omp_get_max_threads();
    be->self = backend_host_alloc(sizeof(CpuSelf));
    be->copy_2d = cpu_copy_2d;
    be->destroy = cpu_destroy;
    backend_cpu_fill_gemm(be);
    backend_cpu_fill_elementwise(be);
    backend_cpu_fill_norm(be);
    backend_cpu_fill_attention(be);
    backend_cpu_fill_decode(be);
    backend_cpu_fill_loss(be);
    be->lanes = be->threads;
    be->each_lane = cpu_each_lane;
    if (be->lanes > 1) {
        CpuSelf *self = be->self;
        self->lane = backend_host_alloc((size_t)be->lanes * sizeof *self->lane);
        for (int i = 0; i < be->lanes; i++) self->lane[i] = backend_cpu(1);
    }
    return be;
}

const char *backend_best_precision(void)
{
    return sizeof(real) == sizeof(float) && tiles_available() ? "bf16" : "fp32";
}

Status backend_set_precision(Backend *be, const char *precision)
{
    if (strcmp(precision, "fp32") == 0) return OK;
    if (strcmp(precision, "bf16") != 0) return FAIL(E_USAGE, "fp32 or bf16", "unknown precision '%s'", precision);
    if (strcmp(be->name, "cpu") != 0) return FAIL(E_RESOURCE, "use --precision fp32, or --backend cpu", "backend %s has no bf16 products", be->name);
    if (!cpu_bf16_available()) {
        return FAIL(E_RESOURCE, "use --precision fp32", "this processor has no bf16 products (AVX512-BF16), or this is a double build");
    }
    CpuSelf *self = be->self;
    backend_cpu_fill_gemm_bf16(be);
    be->bf16 = true;
    for (int i = 0; self->lane != NULL && i < be->lanes; i++) {
        backend_cpu_fill_gemm_bf16(self->lane[i]);
        self->lane[i]->bf16 = true;
    }
    return OK;
}
