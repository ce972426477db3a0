/* tensor/panel_bf16_absent.c -- linked in place of panel_bf16_x86.c where the target is no x86-64. */
#include "base/status.h"
#include "tensor/panel.h"

bool panel_bf16_available(void)
{
    return false;
}

size_t panel_bf16_bytes(const PanelMatrix *w)
{
    REQUIRE(w == NULL, "bf16 products where there are none");
    return 0;
}

size_t panel_bf16_scratch_bytes(int64_t m, int64_t k)
{
    REQUIRE(m < 0 && k < 0, "bf16 products where there are none");
    return 0;
}

void panel_bf16_pack(const PanelMatrix *w, const void *W)
{
    REQUIRE(w == NULL && W == NULL, "bf16 products where there are none");
}

void panel_bf16_linear(const PanelMatrix *w, int64_t m, const void *A, int64_t lda, int64_t first, int64_t end, bool add, void *C, int64_t ldc, void *scratch)
{
    (void)w, (void)m, (void)A, (void)lda, (void)first, (void)end, (void)add, (void)C, (void)ldc, (void)scratch;
    REQUIRE(false, "bf16 products where there are none");
}

void panel_bf16_swiglu(const PanelMatrix *w, int64_t m, const void *A, int64_t lda, void *y, int64_t ldy, void *scratch)
{
    (void)w, (void)m, (void)A, (void)lda, (void)y, (void)ldy, (void)scratch;
    REQUIRE(false, "bf16 products where there are none");
}
