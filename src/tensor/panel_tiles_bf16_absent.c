/* tensor/panel_tiles_bf16_absent.c -- linked in place of panel_tiles_bf16_x86.c and attend_tiles_bf16_x86.c where the target is no x86-64. */
#include "base/status.h"
#include "tensor/panel_tiles.h"

bool panel_tiles_available(void)
{
    return false;
}

size_t panel_tiles_bytes(const PanelMatrix *w)
{
    REQUIRE(w == NULL, "tile products where there are none");
    return 0;
}

void panel_tiles_pack(const PanelMatrix *w, const real *W)
{
    REQUIRE(w == NULL && W == NULL, "tile products where there are none");
}

void panel_tiles_rmsnorm(int64_t m, int64_t C, const real *x, int64_t ldx, const real *w, real eps, Bf16 *y, int64_t ldy)
{
    (void)m, (void)C, (void)x, (void)ldx, (void)w, (void)eps, (void)y, (void)ldy;
    REQUIRE(false, "tile products where there are none");
}

void panel_tiles_linear(const PanelMatrix *w, int64_t m, const Bf16 *A, int64_t lda, int64_t first, int64_t end, bool add, real *C, int64_t ldc)
{
    (void)w, (void)m, (void)A, (void)lda, (void)first, (void)end, (void)add, (void)C, (void)ldc;
    REQUIRE(false, "tile products where there are none");
}

void panel_tiles_swiglu(const PanelMatrix *w, int64_t m, const Bf16 *A, int64_t lda, Bf16 *y, int64_t ldy)
{
    (void)w, (void)m, (void)A, (void)lda, (void)y, (void)ldy;
    REQUIRE(false, "tile products where there are none");
}

void panel_tiles_heads(const PanelHeads *f, int64_t m, const int32_t *pos, real *qkv)
{
    (void)f, (void)m, (void)pos, (void)qkv;
    REQUIRE(false, "tile products where there are none");
}

void panel_tiles_keep(int64_t n, int64_t D, const real *k, const real *v, int64_t ld, Bf16 *kt, Bf16 *vn)
{
    (void)n, (void)D, (void)k, (void)v, (void)ld, (void)kt, (void)vn;
    REQUIRE(false, "tile products where there are none");
}

size_t panel_tiles_scratch_bytes(int64_t n, int64_t D)
{
    REQUIRE(n < 0 && D < 0, "tile products where there are none");
    return 0;
}

void panel_tiles_causal(int64_t n, int64_t D, real scale, const real *q, int64_t ldq, const Bf16 *kt, const Bf16 *vn, Bf16 *out, int64_t ldo, void *scratch)
{
    (void)n, (void)D, (void)scale, (void)q, (void)ldq, (void)kt, (void)vn, (void)out, (void)ldo, (void)scratch;
    REQUIRE(false, "tile products where there are none");
}

void panel_tiles_beams(int64_t R, int64_t n, int64_t D, real scale, const real *q, int64_t ldq, const Bf16 *kt, const Bf16 *vn, const PanelSuffix *own, Bf16 *out,
                       int64_t ldo, void *scratch)
{
    (void)R, (void)n, (void)D, (void)scale, (void)q, (void)ldq, (void)kt, (void)vn, (void)own, (void)out, (void)ldo, (void)scratch;
    REQUIRE(false, "tile products where there are none");
}
